/* address_list_test.c - who stands in a header field. */
#include "mail/address_list.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void lists(void **state)
{
    struct arena *a = arena_new();
    struct address_item *items;

    (void)state;
    assert_int_equal(address_list_parse(a, S("\"hidden-recipients\": ;"), &items), 2);
    assert_int_equal(items[0].kind, ADDRESS_GROUP_START);
    assert_true(str_eq(items[0].mailbox, S("hidden-recipients")));
    assert_int_equal(items[1].kind, ADDRESS_GROUP_END);
    assert_int_equal(address_list_parse(a, S("A B <a@b>,, c@d , e"), &items), 3);
    assert_true(str_eq(items[0].name, S("A B")) && str_eq(items[0].mailbox, S("a")));
    assert_true(str_eq(items[1].mailbox, S("c")) && str_eq(items[1].host, S("d")));
    assert_true(str_eq(items[2].mailbox, S("e")) && items[2].host.n == 0);
    assert_int_equal(address_list_parse(a, S(""), &items), 0);
    arena_free(&a);
}

/* The name may be a comment, but the comments inside an address are nobody's. */
static void comments(void **state)
{
    static const struct {
        const char *value, *name, *mailbox, *host;
    } cases[] = {
        { "user@domain (Real Name)", "Real Name", "user", "domain" },
        { "(before) user@domain", "before", "user", "domain" },
        { "user@domain (a) ( Real \\(Name\\) )", "Real (Name)", "user", "domain" },
        { "user@domain (Real (nick) Name)", "Real (nick) Name", "user", "domain" },
        { "user@domain (Real\r\n Name)", "Real Name", "user", "domain" },
        { "Name <user@domain> (comment)", "Name", "user", "domain" },
        { "<user@domain> (Real Name)", "Real Name", "user", "domain" },
        { "<a (c)@ (c) b.org>", "", "a", "b.org" },
        { "user@domain ()", "", "user", "domain" },
        { "user@domain (unclosed", "", "user", "domain" },
    };
    struct arena *a = arena_new();
    struct address_item *items;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].value);
        assert_int_equal(address_list_parse(a, str_of(cases[i].value), &items), 1);
        assert_true(str_eq(items[0].name, str_of(cases[i].name)));
        assert_true(str_eq(items[0].mailbox, str_of(cases[i].mailbox)));
        assert_true(str_eq(items[0].host, str_of(cases[i].host)));
    }
    assert_int_equal(address_list_parse(a, S("a@b (one), c@d, e@f (two)"), &items), 3);
    assert_true(str_eq(items[0].name, S("one")) && items[1].name.n == 0);
    assert_true(str_eq(items[2].name, S("two")));
    arena_free(&a);
}

/* What is quadratic in time or memory shows itself here. */
static void hostile_lists_cost_little(void **state)
{
    static const char *const units[] = { "\"\"", "(", "a,", "<", "a:",
                                         "[",    "@", "a;", "\\" };
    enum { BYTES = 256 * 1024 };
    struct arena *a = arena_new();
    char *text = arena_alloc(a, BYTES + 2);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t before = arena_used(a), n = 0;
        struct address_item *items;

        while (n < BYTES) {
            memcpy(text + n, units[i], strlen(units[i]));
            n += strlen(units[i]);
        }
        assert_true(address_list_parse(a, str_n(text, n), &items) <= n);
        print_message("%s: %zu bytes\n", units[i], arena_used(a) - before);
        assert_true(arena_used(a) - before < 128 * BYTES);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(comments),
        cmocka_unit_test(hostile_lists_cost_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
