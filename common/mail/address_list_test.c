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

/* What is quadratic in time or memory shows itself here. */
static void hostile_lists_cost_little(void **state)
{
    static const char *const units[] = { "\"\"", "(", "a,", "<", "a:",
                                         "[",    "@", "a;", "\\" };
    enum { BYTES = 256 * 1024 };
    struct arena *a = arena_new();
    char *text = arena_alloc(a, BYTES + 2);
    size_t before = arena_used(a);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct address_item *items;
        size_t n = 0;

        while (n < BYTES) {
            memcpy(text + n, units[i], strlen(units[i]));
            n += strlen(units[i]);
        }
        assert_true(address_list_parse(a, str_n(text, n), &items) <= ADDRESS_LIST_MAX);
    }
    assert_true(arena_used(a) - before < 64 * BYTES);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(hostile_lists_cost_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
