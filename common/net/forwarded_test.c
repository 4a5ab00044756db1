/* forwarded_test.c - elements that say less than they should. */
#include "net/forwarded.h"

#include "net/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* What the next call finds on its stack. */
static void __attribute__((noinline)) litter(void)
{
    volatile char waste[4096];

    for (size_t i = 0; i < sizeof(waste); i++)
        waste[i] = (char)0xa5;
}

static void empty_parameters_are_skipped(void **state)
{
    static const struct {
        const char *forwarded, *expect;
    } rows[] = {
        { ";for=192.0.2.43", "192.0.2.43" },
        { ";;for=192.0.2.43;;", "192.0.2.43" },
        { " ; for=192.0.2.43", "192.0.2.43" },
        { "=;for=192.0.2.43", "192.0.2.43" },
        { ";", "10.0.0.1" },
        { "for", "10.0.0.1" },
        { "for=", "10.0.0.1" },
    };
    struct addr peer = { .family = 4, .ip = { 10, 0, 0, 1 } };
    char text[ADDR_TEXT_BYTES];
    struct cidr_list *trusted;

    (void)state;
    assert_int_equal(cidr_list_new(S("10.0.0.0/8"), &trusted), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr got;

        litter();
        got = forwarded_client(trusted, &peer, S(""), str_of(rows[i].forwarded));
        assert_string_equal(addr_text(&got, text), rows[i].expect);
    }
    cidr_list_free(&trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_parameters_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
