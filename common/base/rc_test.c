/* rc_test.c - every outcome has words for every protocol, and they do not contradict. */
#include "base/rc.h"

#include "base/check_test.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_one_line(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            return false;
    return text[0] != '\0';
}

static void test_each_row_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < RC_COUNT; i++) {
        const struct rc_info *r = rc_info((enum rc)i);

        assert_true(is_one_line(r->name) && is_one_line(r->smtp_text));
        assert_true(is_one_line(r->smtp_enhanced) && is_one_line(r->imap_text));
        assert_ptr_equal(rc_name((enum rc)i), r->name);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(rc_name((enum rc)k), r->name);
        for (const char *p = r->imap_code; *p != '\0'; p++)
            assert_in_range(*p, 'A', 'Z'); /* RFC 5530: an atom; "" for none */
    }
}

/* A temporary cause never gives a permanent answer, in any protocol. */
static void test_protocols_agree(void **state)
{
    (void)state;
    for (int i = 0; i < RC_COUNT; i++) {
        const struct rc_info *r = rc_info((enum rc)i);
        int class = r->smtp_code / 100;

        assert_int_equal(class, i == RC_OK ? 2 : r->retryable ? 4 : 5);
        assert_int_equal(r->smtp_enhanced[0], '0' + class); /* RFC 3463 2 */
        assert_true((r->http_status == 200) == (i == RC_OK));
        assert_true((r->http_status >= 500) == (r->retryable && i != RC_CONFLICT));
        if (r->retryable) /* RFC 5530: these two ask to try again */
            assert_true(strcmp(r->imap_code, "UNAVAILABLE") == 0 ||
                        strcmp(r->imap_code, "INUSE") == 0);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(rc_name(RC_OK), "ok");
    assert_string_equal(rc_name(RC_NOT_FOUND), "not_found");
    assert_string_equal(rc_name(RC_CLOSED), "closed");
    assert_int_equal(rc_info(RC_CLOSED)->smtp_code, 421); /* RFC 5321 3.8 */
}

static void outside(void *arg)
{
    (void)arg;
    rc_name(RC_COUNT);
}

static void test_outside_of_the_table(void **state)
{
    (void)state;
    assert_true(check_test_aborts(outside, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_whole),
        cmocka_unit_test(test_protocols_agree),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_outside_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
