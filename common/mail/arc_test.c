/* arc_test.c - chains that are whole, and those that are not. */
#include "mail/arc.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SEAL(i, cv)                                                                      \
    "ARC-Seal: i=" i "; a=rsa-sha256; cv=" cv ";\r\n d=x.test; s=s; b=YWJj\r\n"
#define SIGNATURE(i)                                                                     \
    "ARC-Message-Signature: i=" i                                                        \
    "; a=rsa-sha256; d=x.test; s=s; h=from; bh=YQ==; b=YQ==\r\n"
#define RESULTS(i) "ARC-Authentication-Results: i=" i "; mx.test; dkim=pass (a=b; c)\r\n"
#define SET(i, cv) SEAL(i, cv) SIGNATURE(i) RESULTS(i)
#define REST       "From: <a@b.test>\r\n\r\nARC-Seal: i=9; in the body\r\n"

static void test_chains(void **state)
{
    static const struct {
        const char *message;
        enum arc_state state;
        unsigned sets;
    } cases[] = {
        { REST, ARC_NONE, 0 },
        { SET("1", "none") REST, ARC_PASS, 1 },
        { SET("2", "pass") SET("1", "none") REST, ARC_PASS, 2 },
        { SET("1", "none") SET("2", "pass") REST, ARC_PASS, 2 },
        { SET("2", "fail") SET("1", "none") REST, ARC_FAIL, 2 },
        { SET("1", "fail") REST, ARC_FAIL, 1 },
        { SET("1", "pass") REST, ARC_BROKEN, 0 },
        { SET("2", "none") SET("1", "none") REST, ARC_BROKEN, 0 },
        { SET("2", "pass") REST, ARC_BROKEN, 0 },
        { SET("3", "pass") SET("1", "none") REST, ARC_BROKEN, 0 },
        { SET("1", "none") SET("1", "none") REST, ARC_BROKEN, 0 },
        { SEAL("1", "none") SIGNATURE("1") REST, ARC_BROKEN, 0 },
        { SEAL("1", "none") RESULTS("1") REST, ARC_BROKEN, 0 },
        { SIGNATURE("1") RESULTS("1") REST, ARC_BROKEN, 0 },
        { RESULTS("1") REST, ARC_BROKEN, 0 },
        { SEAL("1", "none") SIGNATURE("1") RESULTS("2") REST, ARC_BROKEN, 0 },
        { SET("0", "none") REST, ARC_BROKEN, 0 },
        { SET("01", "none") REST, ARC_BROKEN, 0 },
        { SET("51", "pass") REST, ARC_BROKEN, 0 },
        { SET("1x", "none") REST, ARC_BROKEN, 0 },
        { SET("", "none") REST, ARC_BROKEN, 0 },
        { SEAL("1", "none; cv=none") SIGNATURE("1") RESULTS("1") REST, ARC_BROKEN, 0 },
        { "arc-seal : i=1\r\n" REST, ARC_BROKEN, 0 },
        { "ARC-Seal:\r\n" REST, ARC_BROKEN, 0 },
        { "ARC-Authentication-Results: i=1\r\n" REST, ARC_BROKEN, 0 },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arc got = arc_read(a, str_of(cases[i].message));

        if (got.state != cases[i].state || got.sets != cases[i].sets)
            fail_msg("case %zu: %s, %u sets", i, arc_state_name(got.state), got.sets);
    }
    arena_free(&a);
}

static void test_fifty_sets(void **state)
{
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 100000);
    struct arc got;

    (void)state;
    for (int i = 1; i <= ARC_SETS_MAX; i++)
        assert_int_equal(
            buf_printf(text,
                       "ARC-Seal: i=%d; cv=%s\r\nARC-Message-Signature: i=%d\r\n"
                       "ARC-Authentication-Results: i=%d; x.test; none\r\n",
                       i, i == 1 ? "none" : "pass", i, i),
            RC_OK);
    got = arc_read(a, buf_str(text));
    assert_int_equal(got.state, ARC_PASS);
    assert_int_equal(got.sets, ARC_SETS_MAX);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_fifty_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
