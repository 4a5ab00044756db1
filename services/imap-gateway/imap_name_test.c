/* imap_name_test.c - modified UTF-7 and LIST patterns. */
#include "imap_name.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
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
    { "*x%", "a.xb", true },    { "*%b", "a.a.b", true },
    { "%.*b", "a.b.b", true },  { "*%.b", "a.b.c", false },
    { "", "a", false },         { "a", "", false },
    { "**%%", "", true },       { "a.b", "a.bc", false },
    { "%a%", "bab", true },     { "%a%", "b.a", false },
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

enum { BOMB_BYTES = 1000, BOMB_TIMES = 50, BOMB_CPU_S = 5 };

/* Wildcards must not multiply: pattern * name steps take milliseconds of this thread, one
 * factor more takes minutes.  Behind the wildcards comes what is nearly there, from each
 * character of the name on. */
static void bomb(const char *wildcards, size_t repeated)
{
    size_t n = strlen(wildcards);
    char pattern[BOMB_BYTES], name[BOMB_BYTES];
    clock_t begin = clock();

    print_message("%s\n", wildcards);
    memset(name, 'a', sizeof name);
    memset(pattern, 'a', sizeof pattern);
    for (size_t i = 0; i < repeated; i++)
        pattern[i] = wildcards[i % n];
    pattern[sizeof pattern / 2] = 'b';
    for (int i = 0; i < BOMB_TIMES; i++)
        assert_false(imap_name_match(str_n(pattern, sizeof pattern / 2 + 1),
                                     str_n(name, sizeof name)));
    assert_true((clock() - begin) / CLOCKS_PER_SEC < BOMB_CPU_S);
}

static void test_pattern_bombs(void **state)
{
    (void)state;
    bomb("*a", BOMB_BYTES / 2);
    bomb("%a", BOMB_BYTES / 2);
    bomb("*a%a", BOMB_BYTES / 2);
    bomb("*", 1);
    bomb("%", 1);
    bomb("*%", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_pattern_bombs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
