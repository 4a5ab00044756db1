/* What a peers text means, and how the set of addresses follows the resolver. */
#include "bus/peers.h"

#include "base/deadline.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        size_t count; /* 0: refused */
        const char *last_host;
        int last_port;
    } cases[] = {
        { "dns:queue-worker:5551", 1, "queue-worker", 5551 },
        { "dns:a.b.svc.cluster.local:1", 1, "a.b.svc.cluster.local", 1 },
        { "static:10.0.0.1:5551", 1, "10.0.0.1", 5551 },
        { "static:10.0.0.1:5551, [2001:db8::1]:5552", 2, "2001:db8::1", 5552 },
        { " static:host:65535\n", 1, "host", 65535 },
        { "", 0, NULL, 0 },
        { "queue-worker:5551", 0, NULL, 0 },
        { "dns:queue-worker", 0, NULL, 0 },
        { "dns::5551", 0, NULL, 0 },
        { "dns:host:0", 0, NULL, 0 },
        { "dns:host:65536", 0, NULL, 0 },
        { "dns:ho st:5551", 0, NULL, 0 },
        { "static:", 0, NULL, 0 },
        { "static:10.0.0.1", 0, NULL, 0 },
        { "static:10.0.0.1:5551,,10.0.0.2:5551", 0, NULL, 0 },
        { "static:2001:db8::1:5551", 0, NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peers_spec spec;
        const char *why = NULL;
        enum rc rc = peers_parse(str_of(cases[i].text), &spec, &why);

        if ((rc == RC_OK) != (cases[i].count > 0))
            fail_msg("%s", cases[i].text);
        if (rc != RC_OK) {
            assert_non_null(why);
            continue;
        }
        assert_int_equal(spec.count, cases[i].count);
        assert_string_equal(spec.hosts[spec.count - 1].name, cases[i].last_host);
        assert_int_equal(spec.hosts[spec.count - 1].port, cases[i].last_port);
    }
}

/* One answer for each round; the last one is repeated. */
static const struct {
    enum rc rc;
    int addresses; /* bit n: 10.0.0.n is there */
} rounds[] = {
    { RC_NOT_FOUND, 0 }, { RC_OK, 0x6 }, /* 1 and 2 appear */
    { RC_RETRY, 0 },                     /* keeps */
    { RC_RETRY, 0 },                     /* keeps */
    { RC_RETRY, 0 },                     /* keeps */
    { RC_OK, 0x2 },                      /* 2 missing */
    { RC_OK, 0x6 },                      /* back in time */
    { RC_OK, 0xa },                      /* 3 appears, 2 missing */
    { RC_OK, 0xa },                      /* 2 missing */
    { RC_OK, 0xa },                      /* 2 is gone */
    { RC_NOT_FOUND, 0 }, { RC_NOT_FOUND, 0 }, { RC_NOT_FOUND, 0 }, /* all gone */
};
static atomic_int asked;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char history[1024];

static enum rc fake_resolve(const char *host, int port,
                            char endpoints[][PEERS_ENDPOINT_BYTES], size_t *count)
{
    int i = atomic_fetch_add(&asked, 1);

    assert_string_equal(host, "worker");
    i = i < (int)ARRAY_LEN(rounds) ? i : (int)ARRAY_LEN(rounds) - 1;
    *count = 0;
    for (int n = 0; n < 8; n++) {
        if (rounds[i].addresses & 1 << n)
            snprintf(endpoints[(*count)++], PEERS_ENDPOINT_BYTES, "tcp://10.0.0.%d:%d", n,
                     port);
    }
    return rounds[i].rc;
}

static void record(void *user, size_t spec, const char *endpoint, bool added)
{
    size_t n;

    (void)user;
    pthread_mutex_lock(&lock);
    n = strlen(history);
    snprintf(history + n, sizeof(history) - n, "%d%c%zu%s ", atomic_load(&asked),
             added ? '+' : '-', spec, endpoint + strlen("tcp://10.0.0."));
    pthread_mutex_unlock(&lock);
}

static void test_follows_the_resolver(void **state)
{
    struct deadline until = deadline_in_ms(10000);
    struct peers_options options = {
        .count = 1, .interval_ms = 4, .resolve = fake_resolve, .on_change = record
    };
    struct peers_spec spec;
    struct peers *peers;
    const char *why;

    (void)state;
    assert_int_equal(peers_parse(S("dns:worker:9"), &spec, &why), RC_OK);
    options.specs = &spec;
    peers = peers_new(&options);
    while (atomic_load(&asked) <= (int)ARRAY_LEN(rounds) && !deadline_passed(until))
        sched_yield();
    peers_free(&peers);
    assert_null(peers);
    assert_string_equal(history, "2+01:9 2+02:9 8+03:9 10-02:9 13-01:9 13-03:9 ");
}

static void keep_last(void *user, size_t spec, const char *endpoint, bool added)
{
    (void)spec;
    pthread_mutex_lock(&lock);
    if (added)
        snprintf(user, PEERS_ENDPOINT_BYTES, "%s", endpoint);
    pthread_mutex_unlock(&lock);
}

static void test_addresses_need_no_resolver(void **state)
{
    struct deadline until = deadline_in_ms(10000);
    char seen[2][PEERS_ENDPOINT_BYTES] = { "", "" };
    static const char *const texts[] = { "static:127.0.0.1:77", "static:[::1]:77" };
    static const char *const expected[] = { "tcp://127.0.0.1:77", "tcp://[::1]:77" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct peers_options options = { .count = 1,
                                         .on_change = keep_last,
                                         .user = seen[i] };
        struct peers_spec spec;
        struct peers *peers;
        const char *why;
        bool done = false;

        assert_int_equal(peers_parse(str_of(texts[i]), &spec, &why), RC_OK);
        options.specs = &spec;
        peers = peers_new(&options);
        while (!done && !deadline_passed(until)) {
            pthread_mutex_lock(&lock);
            done = seen[i][0] != '\0';
            pthread_mutex_unlock(&lock);
            sched_yield();
        }
        peers_free(&peers);
        assert_string_equal(seen[i], expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_follows_the_resolver),
        cmocka_unit_test(test_addresses_need_no_resolver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
