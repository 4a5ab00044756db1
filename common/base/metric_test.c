/* metric_test.c - what a scraper reads, line by line. */
#include "base/metric.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct metric counter = {
    .kind = METRIC_COUNTER, .name = "postbus_a", .labels = "kind=\"x\"", .help = "First."
};
static struct metric gauge = {
    .kind = METRIC_GAUGE, .name = "postbus_b", .labels = "", .help = "Second."
};
static struct metric counter_again = {
    .kind = METRIC_COUNTER, .name = "postbus_a", .labels = "kind=\"y\"", .help = "First."
};
static struct metric histogram = {
    .kind = METRIC_HISTOGRAM, .name = "postbus_c_seconds", .labels = "", .help = "Third."
};

static void test_render(void **state)
{
    struct buf b;

    (void)state;
    metric_register(&counter);
    metric_register(&gauge);
    metric_register(&counter_again); /* to its name, though registered later */
    metric_register(&histogram);
    metric_add(&counter, 2);
    metric_add(&counter, 1);
    metric_set(&gauge, -5);
    metric_observe_us(&histogram, 0);
    metric_observe_us(&histogram, 50); /* a bound belongs to its bucket */
    metric_observe_us(&histogram, 51);
    metric_observe_us(&histogram, INT64_C(3600) * 1000000);
    buf_init(&b, 65536);
    metric_render(&b);
    assert_int_equal(buf_putc(&b, '\0'), RC_OK);
    assert_string_equal(b.p, "# HELP postbus_a First.\n"
                             "# TYPE postbus_a counter\n"
                             "postbus_a_total{kind=\"x\"} 3\n"
                             "postbus_a_total{kind=\"y\"} 0\n"
                             "# HELP postbus_b Second.\n"
                             "# TYPE postbus_b gauge\n"
                             "postbus_b -5\n"
                             "# HELP postbus_c_seconds Third.\n"
                             "# TYPE postbus_c_seconds histogram\n"
                             "postbus_c_seconds_bucket{le=\"5e-05\"} 2\n"
                             "postbus_c_seconds_bucket{le=\"0.0001\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0002\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0004\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0008\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0016\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0032\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0064\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0128\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0256\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.0512\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.1024\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.2048\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.4096\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"0.8192\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"1.6384\"} 3\n"
                             "postbus_c_seconds_bucket{le=\"+Inf\"} 4\n"
                             "postbus_c_seconds_count{} 4\n"
                             "postbus_c_seconds_sum{} 3600\n"
                             "# EOF\n");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
