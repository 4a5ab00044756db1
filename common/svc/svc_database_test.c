/* svc_database_test.c - a service finds out which time PostgreSQL has, and goes by it. */
#include "svc/svc_database.h"

#include "store/store_clock.h"
#include "store/store_test.h"

#include <poll.h>

enum { WAIT_MS = 30000, LOOK_MS = 20 };

static const int64_t day_ms = INT64_C(86400) * 1000;

/* what: what is to be missing; NULL: nothing. */
static void await_missing(struct svc_database *d, const char *what)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    char reason[200];
    const char *missing;

    for (;;) {
        missing = svc_database_missing(d, reason, sizeof(reason));
        if (what == NULL ? missing == NULL
                         : missing != NULL && strcmp(missing, what) == 0)
            return;
        if (deadline_passed(until))
            fail_msg("not seen: %s", what == NULL ? "all is well" : what);
        poll(NULL, 0, LOOK_MS);
    }
}

static void expect_ahead(int64_t days)
{
    int64_t ahead_ms = store_clock_unix_ms() - clock_unix_ms();

    assert_true(ahead_ms > days * day_ms - 5000 && ahead_ms < days * day_ms + 5000);
}

static void new_mail_gets_its_time_from_postgresql(void **state)
{
    struct options o = { .database_host = test_host(),
                         .database_name = test_name,
                         .database_user = "postgres",
                         .database_password = "",
                         .database_statement_seconds = 30,
                         .max_mailbox_size = 1 << 20 };
    struct svc_database *d;

    (void)state;
    test_move_clock("21 days");
    test_sql("ALTER DATABASE %s SET search_path = moved, pg_catalog, public", test_name);
    d = svc_database_new(&o, OPTIONS_SMTP_INGRESS);
    await_missing(d, "clock");
    expect_ahead(21);
    test_move_clock("0");
    await_missing(d, NULL);
    expect_ahead(0);
    /* One of the two has jumped: not by that one. */
    test_move_clock("21 days");
    await_missing(d, "clock");
    expect_ahead(0);
    svc_database_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_mail_gets_its_time_from_postgresql),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
