/* smtp_reply_fuzz.c - hostile replies stay within their limits. */
#include "smtp/smtp_reply.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct smtp_reply *r)
{
    struct arena *a = arena_new();
    size_t at = 0, lines = 0;
    str_t text;

    while (smtp_reply_next_line(r, &at, &text))
        lines++;
    CHECK(lines == r->lines && lines <= SMTP_REPLY_MAX_LINES && at == r->raw.n);
    smtp_reply_has_keyword(r, "SIZE", &text);
    text = smtp_reply_text(a, r, 200);
    CHECK(text.n >= 3 && text.n <= 200);
    for (size_t i = 0; i < text.n; i++)
        CHECK(text.p[i] >= ' ' && text.p[i] <= '~');
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t in = str_n((const char *)data, size);
    struct smtp_reply r;
    struct buf out;

    if (smtp_reply_parse(in, &r) == SMTP_REPLY_DONE) {
        CHECK(r.raw.n <= size && r.code >= 200 && r.code <= 599);
        use(&r);
    }
    buf_init(&out, 4096);
    smtp_reply_put(&out, 550, "5.0.0", in);
    CHECK(smtp_reply_parse(buf_str(&out), &r) == SMTP_REPLY_DONE && r.raw.n == out.n);
    buf_fini(&out);
    return 0;
}
