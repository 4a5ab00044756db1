/* roster_test.c - who takes a row, of destinations with one domain and with many. */
#include "roster.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST = 2 };

/* A destination with the domains of its parcels; the first is being sent. */
static struct destination *make(struct destination *t, struct parcel *p,
                                const struct transport *transport, const char *name,
                                const char *const *domains)
{
    *t = (struct destination){ .transport = transport, .proven = true };
    snprintf(t->name, sizeof(t->name), "%s", name);
    for (size_t i = 0; domains[i] != NULL; i++) {
        p[i] = (struct parcel){ .row = { .domain = str_of(domains[i]) } };
        if (i == 0)
            t->current = &p[0];
        else if (i == 1)
            t->waiting = &p[1];
        else
            p[i - 1].next = &p[i];
    }
    t->lingering = domains[0] == NULL;
    return t;
}

#define DOMAINS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NONE         ((const char *const[]){ NULL })

static struct store_remote_row row(const char *destination, const char *domain)
{
    return (struct store_remote_row){ .destination = str_of(destination),
                                      .domain = str_of(domain) };
}

static void test_one_domain(void **state)
{
    struct store_remote_row to_a = row("a.org", "a.org"), to_b = row("b.org", "b.org");
    struct destination busy, idle, waiting;
    struct parcel p[3][4];

    (void)state;
    make(&busy, p[0], &transport_smtp, "a.org", DOMAINS("a.org"));
    make(&idle, p[1], &transport_smtp, "a.org", NONE);
    make(&waiting, p[2], &transport_smtp, "b.org", DOMAINS("b.org"));
    busy.next = &idle;
    assert_ptr_equal(roster_taker(&busy, &waiting, &to_a, MOST), &idle);
    assert_ptr_equal(roster_taker(&busy, &waiting, &to_b, MOST), &waiting);
    idle.leaving = true;
    assert_null(roster_taker(&busy, &waiting, &to_a, MOST));
    assert_int_equal(roster_working_on(&busy, "a.org"), 1);
    assert_int_equal(roster_count(&busy).idle, 1);
    assert_null(roster_idle(&busy, "a.org"));
}

static void test_many_domains(void **state)
{
    const char *relay = "smtp://relay:25";
    struct store_remote_row to_a = row(relay, "a.org"), to_b = row(relay, "b.org"),
                            to_c = row(relay, "c.org");
    struct destination busy, idle, waiting;
    struct parcel p[3][4];

    (void)state;
    make(&busy, p[0], &transport_smarthost, relay, DOMAINS("a.org"));
    make(&idle, p[1], &transport_smarthost, relay, NONE);
    make(&waiting, p[2], &transport_smarthost, relay, DOMAINS("x.org", "b.org"));
    /* Behind the message of its domain that may stall; others elsewhere. */
    assert_ptr_equal(roster_taker(&busy, &waiting, &to_a, MOST), &busy);
    busy.next = &idle;
    assert_ptr_equal(roster_taker(&busy, NULL, &to_a, MOST), &busy);
    assert_ptr_equal(roster_taker(&busy, NULL, &to_c, MOST), &idle);
    busy.next = NULL;
    assert_ptr_equal(roster_taker(&busy, &waiting, &to_b, MOST), &waiting);
    assert_null(roster_taker(&busy, &waiting, &to_c, MOST));
    /* A crowd of one domain may have more connections than one. */
    make(&busy, p[0], &transport_smarthost, relay, DOMAINS("a.org", "a.org", "a.org"));
    assert_null(roster_taker(&busy, &waiting, &to_a, MOST));
    busy.next = &idle;
    assert_ptr_equal(roster_taker(&busy, &waiting, &to_a, MOST), &idle);
    assert_ptr_equal(roster_idle(&busy, relay), &idle);
}

static void expect_busy(struct destination *list, struct destination *lobby, size_t most,
                        const char *const *want)
{
    struct arena *a = arena_new();
    str_t *busy;
    size_t n = roster_busy(a, list, lobby, most, &busy), i;

    for (i = 0; want[i] != NULL; i++)
        assert_true(i < n && str_eq(busy[i], str_of(want[i])));
    assert_int_equal(n, i);
    arena_free(&a);
}

/* Also under the name by which its rows are claimed. */
static void test_busy(void **state)
{
    const char *relay = "smtp://relay:25";
    struct destination at_work, waiting;
    struct parcel p[2][4];

    (void)state;
    make(&at_work, p[0], &transport_smarthost, relay, DOMAINS("a.org", "a.org", "b.org"));
    make(&waiting, p[1], &transport_smarthost, relay, DOMAINS("x.org", "c.org", "d.org"));
    waiting.current = NULL;
    expect_busy(&at_work, NULL, 2, NONE);
    expect_busy(&at_work, NULL, 1, DOMAINS(relay));
    expect_busy(&at_work, &waiting, 2, DOMAINS(relay));
    p[0][0].row.is_unrouted = p[0][1].row.is_unrouted = p[0][2].row.is_unrouted = true;
    p[1][2].row.is_unrouted = true;
    expect_busy(&at_work, NULL, 2, NONE);
    expect_busy(&at_work, &waiting, 2, DOMAINS(relay, "d.org"));
    expect_busy(&at_work, &waiting, 1, DOMAINS(relay, "a.org", "b.org", relay, "d.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_domain),
        cmocka_unit_test(test_many_domains),
        cmocka_unit_test(test_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
