/* date_test.c - both forms, both ways. */
#include "mail/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void formats(void **state)
{
    char text[DATE_TEXT_BYTES];

    (void)state;
    assert_true(str_eq(date_format(0, text), S("Thu, 01 Jan 1970 00:00:00 +0000")));
    assert_true(
        str_eq(date_format(1795259551, text), S("Sat, 21 Nov 2026 11:12:31 +0000")));
    assert_true(
        str_eq(date_format(951782400, text), S("Tue, 29 Feb 2000 00:00:00 +0000")));
    assert_true(str_eq(date_format(-1, text), S("Wed, 31 Dec 1969 23:59:59 +0000")));
    assert_true(
        str_eq(date_format_internal(1795259551, text), S("21-Nov-2026 11:12:31 +0000")));
    assert_true(date_format(INT64_MAX, text).n == 31);
    assert_true(date_format(INT64_MIN, text).n == 31);
}

static void reading(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t unix_seconds;
    } cases[] = {
        { "Sat, 21 Nov 2026 11:12:31 +0000", true, 1795259551 },
        { "21 Nov 2026 12:12:31 +0100", true, 1795259551 },
        { "Sat, 21 Nov 2026 06:12:31 EST", true, 1795259551 },
        { "Sat, 21 Nov 2026 11:12 GMT", true, 1795259520 },
        { " Sat,\r\n 21 Nov 2026 11:12:31 -0000 (comment)", true, 1795259551 },
        { "1 Jan 70 00:00:00 Z", true, 0 },
        { "1 Jan 100 00:00:00 Z", true, 946684800 },
        { "29 Feb 2000 00:00:00 +0000", true, 951782400 },
        { "29 Feb 2001 00:00:00 +0000", false, 0 },
        { "31 Apr 2001 00:00:00 +0000", false, 0 },
        { "0 Jan 2001 00:00:00 +0000", false, 0 },
        { "1 Foo 2001 00:00:00 +0000", false, 0 },
        { "1 Jan 2001 24:00:00 +0000", false, 0 },
        { "1 Jan 2001 10:60:00 +0000", false, 0 },
        { "1 Jan 2001 10:00:00 +9999", false, 0 },
        { "1 Jan 2001", false, 0 },
        { "", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t t = 0;

        if (date_parse(str_of(cases[i].text), &t) != cases[i].good)
            print_error("case: %s\n", cases[i].text);
        assert_int_equal(date_parse(str_of(cases[i].text), &t), cases[i].good);
        if (cases[i].good)
            assert_int_equal(t, cases[i].unix_seconds);
    }
}

static void written_days(void **state)
{
    static const struct {
        const char *text, *day; /* NULL: none */
    } cases[] = {
        { "Sun, 25 Mar 2007 00:00:00 +0200", "25-Mar-2007" },
        { "Sun, 25 Mar 2007 23:59:59 -1200", "25-Mar-2007" },
        { " Sun,\r\n 25 Mar 2007", "25-Mar-2007" },
        { "1 Jan 70 what follows is disregarded", "1-Jan-1970" },
        { "31 Dec 1999 25:61", "31-Dec-1999" },
        { "30 Feb 2007 00:00:00 +0000", NULL },
        { "today", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got = 0, wanted = 0;

        assert_int_equal(date_parse_written_day(str_of(cases[i].text), &got),
                         cases[i].day != NULL);
        if (cases[i].day != NULL)
            assert_true(date_parse_day(str_of(cases[i].day), &wanted) && got == wanted);
    }
}

static void internal_dates(void **state)
{
    char text[DATE_TEXT_BYTES];
    int64_t t;

    (void)state;
    assert_true(date_parse_internal(S("21-Nov-2026 11:12:31 +0000"), &t));
    assert_int_equal(t, 1795259551);
    assert_true(date_parse_internal(S(" 1-Jan-1970 01:00:00 +0100"), &t));
    assert_int_equal(t, 0);
    assert_false(date_parse_internal(S("21-Nov-2026 11:12:31"), &t));
    assert_false(date_parse_internal(S("21-Nov-2026 11:12:31 +0000x"), &t));
    assert_true(date_parse_day(S("21-Nov-2026"), &t));
    assert_int_equal(t, 1795219200);
    assert_false(date_parse_day(S("21-Nov-2026 "), &t));
    /* The zone leads out of the years that can be shown again. */
    assert_true(date_parse_internal(S("01-Jan-1900 00:00:00 +0000"), &t));
    assert_false(date_parse_internal(S("01-Jan-1900 00:00:00 +0100"), &t));
    assert_true(date_parse_internal(S("31-Dec-9999 23:59:59 +0000"), &t));
    assert_false(date_parse_internal(S("31-Dec-9999 23:59:59 -0100"), &t));
    for (int64_t day = -25000; day < 60000; day += 13) {
        assert_true(date_parse_internal(date_format_internal(day * 86400 + 7, text), &t));
        assert_int_equal(t, day * 86400 + 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(reading),
        cmocka_unit_test(written_days),
        cmocka_unit_test(internal_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
