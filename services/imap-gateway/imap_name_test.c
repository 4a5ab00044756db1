/* imap_name_test.c - modified UTF-7 and LIST patterns. */
#include "imap_name.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    const char *wire;
    const char *utf8; /* NULL: refused */
} names[] = {
    { "INBOX", "INBOX" },
    { "inbox", "INBOX" },
    { "inbox.x", "INBOX.x" },
    { "inboxes", "inboxes" },
    { "Drafts.&AOQ-b", "Drafts.\xc3\xa4"
                       "b" },
    { "&U,BTFw-", "\xe5\x8f\xb0\xe5\x8c\x97" },
    { "&2D3eAA-", "\xf0\x9f\x98\x80" },
    { "a&-b", "a&b" },
    { "a&b", NULL },
    { "a&!-", NULL },
    { "&AGE-", NULL },      /* 'a' has a plain spelling */
    { "&AOQ-&AOQ-", NULL }, /* one shift would do */
    { "&2D0-", NULL },      /* half a character */
    { "&3gDYPQ-", NULL },   /* halves in the wrong order */
    { "a..b", NULL },
    { ".a", NULL },
    { "a.", NULL },
    { "", NULL },
    { "a\x7f", NULL },
    { "a\xc3\xa4", NULL },
    { "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", NULL },
};

static void test_names(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        str_t utf8;
        enum rc rc = imap_name_decode(a, str_of(names[i].wire), &utf8);

        print_message("%s\n", names[i].wire);
        assert_int_equal(rc, names[i].utf8 == NULL ? RC_INVALID : RC_OK);
        if (rc != RC_OK)
            continue;
        assert_true(str_eq(utf8, str_of(names[i].utf8)));
        if (!str_starts(utf8, S("INBOX")))
            assert_true(str_eq(imap_name_encode(a, utf8), str_of(names[i].wire)));
    }
    arena_free(&a);
}

static void test_too_long(void **state)
{
    struct arena *a = arena_new();
    char wire[IMAP_NAME_MAX + 2];
    str_t utf8;

    (void)state;
    memset(wire, 'a', sizeof wire);
    assert_int_equal(imap_name_decode(a, str_n(wire, IMAP_NAME_MAX), &utf8), RC_OK);
    assert_int_equal(imap_name_decode(a, str_n(wire, IMAP_NAME_MAX + 1), &utf8),
                     RC_LIMIT);
    arena_free(&a);
}

static const struct {
    const char *pattern, *name;
    bool match;
} patterns[] = {
    { "*", "a.b.c", true },     { "%", "a", true },
    { "%", "a.b", false },      { "%.%", "a.b", true },
    { "a*", "a.b", true },      { "a%", "a.b", false },
    { "*b", "a.b", true },      { "%b", "a.b", false },
    { "a.%.c", "a.b.c", true }, { "a.%.c", "a.b.b.c", false },
    { "*.c", "a.b.c", true },   { "", "", true },
    { "INBOX", "INBOX", true }, { "INBOX", "Inbox2", false },
    { "*%", "a.b", true },      { "%*", "a.b", true },
    { "*x%", "a.xb", true },
};

static void test_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        print_message("%s %s\n", patterns[i].pattern, patterns[i].name);
        assert_int_equal(
            imap_name_match(str_of(patterns[i].pattern), str_of(patterns[i].name)),
            patterns[i].match);
    }
}

/* Stars must not multiply: this ends at once or, done badly, never. */
static void test_pattern_bomb(void **state)
{
    char pattern[200], name[200];

    (void)state;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 'b';
    assert_false(
        imap_name_match(str_n(pattern, sizeof pattern), str_n(name, sizeof name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_pattern_bomb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
