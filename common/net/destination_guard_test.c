/* destination_guard_test.c - no connection to inner networks unless the operator says so.
 */
#include "net/destination_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool permits(const struct destination_guard *g, const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(text), &a), RC_OK);
    return destination_guard_permits(g, &a);
}

static void test_table(void **state)
{
    static const char *const inner[] = { "127.0.0.1",
                                         "10.1.2.3",
                                         "172.31.255.255",
                                         "192.168.0.1",
                                         "169.254.1.1",
                                         "100.127.255.255",
                                         "0.0.0.0",
                                         "255.255.255.255",
                                         "224.0.0.1",
                                         "::1",
                                         "::",
                                         "fe80::1",
                                         "fd00::1",
                                         "ff02::1",
                                         "::ffff:10.0.0.1",
                                         "100:0:0:1::1",
                                         "3fff:fff::1",
                                         "5f00:ffff::1" };
    static const char *const outer[] = { "8.8.8.8", "172.32.0.1", "100.128.0.1",
                                         "2a00:1450::1", "3fff:1000::1" };
    struct destination_guard *g = destination_guard_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inner); i++)
        if (permits(g, inner[i]))
            fail_msg("%s is permitted", inner[i]);
    for (size_t i = 0; i < ARRAY_LEN(outer); i++)
        if (!permits(g, outer[i]))
            fail_msg("%s is refused", outer[i]);
    destination_guard_free(&g);
}

/* IPv6 addresses that end in an IPv4 one, whose packets go there: as they are on the
 * wire, because a parser may have put them right. */
static void test_embedded(void **state)
{
    static const struct {
        uint8_t ip[16];
        bool permitted;
    } rows[] = {
        { { [10] = 0xff, 0xff, 10, 0, 0, 5 }, false },
        { { [10] = 0xff, 0xff, 127, 0, 0, 1 }, false },
        { { [10] = 0xff, 0xff, 8, 8, 8, 8 }, true },
        { { 0, 0x64, 0xff, 0x9b, [12] = 192, 168, 0, 1 }, false },
        { { 0, 0x64, 0xff, 0x9b, [12] = 8, 8, 8, 8 }, true },
    };
    struct destination_guard *g = destination_guard_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = { .family = 6, .port = 25 };

        memcpy(a.ip, rows[i].ip, sizeof(a.ip));
        if (destination_guard_permits(g, &a) != rows[i].permitted)
            fail_msg("row %zu", i);
    }
    destination_guard_free(&g);
}

static void test_allowed(void **state)
{
    struct destination_guard *g = destination_guard_new(true);

    (void)state;
    assert_true(permits(g, "10.9.1.1"));
    assert_true(permits(g, "::1"));
    assert_true(permits(g, "8.8.8.8"));
    destination_guard_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_embedded),
        cmocka_unit_test(test_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
