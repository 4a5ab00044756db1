/* bus_inbox_test.c - what is dropped when the bus thread does not come. */
#include "bus/bus_inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static size_t fill(struct bus_inbox *in, enum bus_order_kind kind)
{
    const struct bus_order o = { .kind = kind };
    size_t n = 0;

    while (bus_inbox_put(in, &o))
        n++;
    return n;
}

static void a_subscription_is_never_dropped(void **state)
{
    struct bus_order o = { .kind = BUS_ORDER_SUBSCRIBE }, *orders;
    struct bus_inbox in = { 0 };
    size_t hints, peers, n;

    (void)state;
    bus_inbox_init(&in);
    hints = fill(&in, BUS_ORDER_SEND);
    peers = fill(&in, BUS_ORDER_CONNECT);
    assert_true(hints > 0 && peers > hints);
    assert_int_equal(fill(&in, BUS_ORDER_DISCONNECT), 0);
    assert_int_equal(fill(&in, BUS_ORDER_SEND), 0);
    for (o.account = 0; o.account < MSG_RANGES; o.account++)
        assert_true(bus_inbox_put(&in, &o));
    assert_true(bus_inbox_put(&in, &(struct bus_order){ .kind = BUS_ORDER_STOP }));
    orders = bus_inbox_take(&in, &n);
    assert_int_equal(n, hints + peers + MSG_RANGES + 1);
    assert_int_equal(orders[hints + peers + 7].account, 7);
    assert_int_equal(orders[n - 1].kind, BUS_ORDER_STOP);
    bus_inbox_return(&in, orders, n);
    assert_int_equal(fill(&in, BUS_ORDER_SEND), hints);
    bus_inbox_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscription_is_never_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
