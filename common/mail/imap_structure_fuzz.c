/* imap_structure_fuzz.c - the answers are balanced lists, and sections lie in the
 * message.
 */
#include "mail/imap_structure.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Length of the literal or quoted string at s.p[0]; 1 for anything else. */
static size_t item_bytes(str_t s)
{
    size_t i = 1, close = str_find_char(s, '}');
    uint64_t n;

    if (s.p[0] == '{') {
        CHECK(close != SIZE_MAX && str_to_u64(str_n(s.p + 1, close - 1), SIZE_MAX, &n));
        return close + 3 + n;
    }
    if (s.p[0] != '"')
        return 1;
    while (s.p[i] != '"')
        i += s.p[i] == '\\' ? 2 : 1;
    return i + 1;
}

static void check_balanced(str_t s)
{
    size_t depth = 0;

    CHECK(s.n > 1 && s.p[0] == '(' && s.p[s.n - 1] == ')');
    while (s.n > 0) {
        size_t n = item_bytes(s);

        depth += s.p[0] == '(';
        CHECK(s.p[0] != ')' || depth-- > 0);
        CHECK(n <= s.n && (depth > 0 || s.n == 1));
        s = str_skip(s, n);
    }
    CHECK(depth == 0);
}

static void answer(struct arena *a, str_t message, struct buf *out)
{
    imap_structure_envelope(a, message, out);
    check_balanced(buf_str(out));
    for (int extended = 0; extended < 2; extended++) {
        buf_clear(out);
        imap_structure_body(a, message, extended, out);
        if (!out->full)
            check_balanced(buf_str(out));
    }
    buf_clear(out);
}

/* The first line is the section, the rest the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t message = str_n((const char *)data, size), line, bytes;
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1 << 24);
    struct imap_structure_section s, again;

    if (str_split(&message, '\n', &line) &&
        imap_structure_section_parse(a, line, &s) == RC_OK) {
        if (imap_structure_section_get(a, message, &s, &bytes) == RC_OK)
            CHECK(bytes.n <= message.n + 4); /* an end of line and the empty line */
        imap_structure_section_format(&s, out);
        if (str_find_char(line, '"') == SIZE_MAX)
            CHECK(imap_structure_section_parse(a, buf_str(out), &again) == RC_OK &&
                  again.what == s.what && again.field_count == s.field_count);
        buf_clear(out);
    }
    answer(a, message, out);
    arena_free(&a);
    return 0;
}
