/* own_address_test.c - only an address of this host with the own port is oneself. */
#include "bus/own_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_addresses(void **state)
{
    (void)state;
    assert_true(own_address_is("tcp://127.0.0.1:5552", 5552));
    assert_false(own_address_is("tcp://127.0.0.1:5553", 5552));
    assert_false(own_address_is("tcp://127.0.0.1:15552", 5552));
    assert_false(own_address_is("tcp://192.0.2.1:5552", 5552));
    assert_false(own_address_is("tcp://[2001:db8::1]:5552", 5552));
    assert_false(own_address_is("ipc://127.0.0.1:5552", 5552));
    assert_false(own_address_is("", 5552));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_addresses) };

    return cmocka_run_group_tests_name("own_address", tests, NULL, NULL);
}
