/* dkim_tags_fuzz.c - what is found lies in the text, in its order. */
#include "mail/dkim_tags.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size), out, part;
    struct arena *a = arena_new();
    const char *at = text.p;
    struct dkim_tags tags;

    if (dkim_tags_parse(text, &tags) == RC_OK) {
        CHECK(tags.count > 0 && tags.count <= DKIM_TAGS_MAX);
        for (size_t i = 0; i < tags.count; i++) {
            const struct dkim_tag *tag = &tags.list[i];
            str_t rest = tag->value;

            CHECK(tag->name.n > 0 && tag->name.p >= at);
            at = tag->raw.p + tag->raw.n;
            CHECK(at <= text.p + text.n && tag->raw.p[-1] == '=');
            CHECK(at == text.p + text.n || *at == ';');
            CHECK(str_eq(str_trim(tag->raw), tag->value));
            CHECK(dkim_tags_find(&tags, tag->name) == tag);
            while (dkim_tags_split(&rest, &part))
                CHECK(part.n == 0 || dkim_tags_has(tag->value, part));
            if (dkim_tags_base64(a, tag->value, &out) == RC_OK)
                CHECK(out.n > 0 && out.n <= tag->value.n / 4 * 3);
        }
    }
    arena_free(&a);
    return 0;
}
