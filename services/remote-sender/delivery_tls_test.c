/* delivery_tls_test.c - what a message asks of the TLS on its way (RFC 8689). */
#include "delivery.h"

#include "mail/domains.h"
#include "dbs.h"
#include "desk.h"
#include "net/destination_guard.h"
#include "scripted_peer.h"
#include "store/store_remote.h"
#include "store/store_test.h"

static const struct domains own = DOMAINS_ONE("own.org");
static struct desk desk;
static struct arena *arena;

#define HELLO_WITH(keyword)                                                              \
    "S 220 hello", "C EHLO own.org", "S 250-mx", "S 250 STARTTLS", "C STARTTLS",         \
        "S 220 go", "TLS", "C EHLO own.org", "S 250-mx", "S 250 " keyword
#define TRANSACTION(parameter)                                                           \
    "C MAIL FROM:<me@own.org>" parameter, "S 250 ok", "C RCPT TO:<a@x.org>", "S 250 ok", \
        "C DATA", "S 354 go", "DATA", "S 250 done"

/* A leased row with one recipient, as a worker and the dispatcher make it. */
static struct parcel *parcel(str_t body)
{
    static struct store_remote_cursor cursor;
    str_t to = S("a@x.org");
    struct store_accept m = { .head =
                                  S("Return-Path: <me@own.org>\r\nSubject: x\r\n\r\n"),
                              .body = body,
                              .sender = S("me@own.org"),
                              .recipients = &to,
                              .recipient_count = 1 };
    struct store_remote_claim how = { .limit = 1, .per_destination = 1, .lease_s = 60 };
    struct store_remote_row row = { .domain = S("x.org"),
                                    .sender = S("me@own.org"),
                                    .recipients = &to,
                                    .recipient_count = 1,
                                    .prefix = S("Received: by own.org\r\n"),
                                    .envelope = S("{}") };
    struct store_remote_row *rows;
    size_t n;

    assert_int_equal(store_accept(test_db, &m, 1, 5000), RC_OK);
    row.body_id = m.body_id;
    row.size = (int32_t)(m.head.n + m.body.n);
    db_begin(test_db);
    store_remote_add(test_db, &row, 1000);
    assert_int_equal(db_commit(test_db), RC_OK);
    assert_int_equal(store_remote_claim(test_arena, test_db, &cursor, &how, &rows, &n),
                     RC_OK);
    assert_int_equal(n, 1);
    return parcel_new(&rows[0], clock_monotonic_ms());
}

/* Send one; the code of its only recipient. */
static int send_one(struct delivery *d, struct parcel *p)
{
    struct delivery_result result;

    assert_int_equal(delivery_send(d, arena, p, &result), RC_OK);
    assert_int_equal(result.rcpt_count, 1);
    assert_int_not_equal(result.rcpt[0].answer.code, 0);
    parcel_free(&p);
    return result.rcpt[0].answer.code;
}

static struct delivery *deliver_to(const struct addr *to)
{
    const char *target = arena_printf(arena, "smtp://127.0.0.1:%u", (unsigned)to->port);
    struct transport_way way = transport_way_of(str_of(target), S("x.org"));

    return delivery_new(&desk, &way);
}

static int send_as(struct delivery *d, const char *envelope)
{
    struct parcel *p = parcel(S("x\r\n"));

    p->row.envelope = str_of(envelope);
    return send_one(d, p);
}

#define REQUIRED "{\"requiretls\":true}"
#define OPTIONAL "{\"tls_optional\":true}"

/* Neither goes over the other's connection, and what was asked for is passed on. */
static void test_required(void **state)
{
    static const char *const script[] = { HELLO_WITH("REQUIRETLS"),
                                          TRANSACTION(""),
                                          "C QUIT",
                                          "NEXT",
                                          HELLO_WITH("REQUIRETLS"),
                                          TRANSACTION(" REQUIRETLS"),
                                          "C QUIT",
                                          "NEXT",
                                          HELLO_WITH("REQUIRETLS"),
                                          TRANSACTION(""),
                                          "END",
                                          NULL };
    struct peer p;
    struct addr to = begin(&p, script);
    struct delivery *d = deliver_to(&to);

    (void)state;
    desk.tls = trusting_ctx;
    assert_int_equal(send_as(d, "{}"), 250);
    assert_int_equal(send_as(d, REQUIRED), 250);
    assert_false(delivery_is_connected(d));
    assert_int_equal(send_as(d, "{}"), 250);
    delivery_free(&d);
    end(&p);
}

/* Refused for good and at once; what asks for nothing goes. */
static void test_not_offered(void **state)
{
    static const char *const script[] = {
        HELLO_WITH("8BITMIME"), "C QUIT", "NEXT", HELLO_WITH("8BITMIME"),
        TRANSACTION(""),        "END",    NULL
    };
    struct delivery_result result;
    struct peer p;
    struct addr to = begin(&p, script);
    struct delivery *d = deliver_to(&to);
    struct parcel *required = parcel(S("x\r\n"));

    (void)state;
    desk.tls = trusting_ctx;
    required->row.envelope = S(REQUIRED);
    assert_int_equal(delivery_send(d, arena, required, &result), RC_OK);
    assert_int_equal(result.rcpt[0].answer.code, 550);
    assert_true(str_eq(result.rcpt[0].answer.status, S("5.7.30")));
    assert_false(delivery_is_unreachable(d));
    parcel_free(&required);
    assert_int_equal(send_as(d, "{}"), 250);
    delivery_free(&d);
    end(&p);
}

static void send_alone(const char *const *script, const char *envelope, int code)
{
    struct peer p;
    struct addr to = begin(&p, script);
    struct delivery *d = deliver_to(&to);

    assert_int_equal(send_as(d, envelope), code);
    assert_false(delivery_is_connected(d)); /* it is nobody else's */
    delivery_free(&d);
    end(&p);
}

/* Who may show any certificate may not for this one; who must show a good one need not
 * for that one. */
static void test_certificate(void **state)
{
    static const char *const cut[] = { "S 220 hello", "C EHLO own.org",
                                       "S 250-mx",    "S 250 STARTTLS",
                                       "C STARTTLS",  "S 220 go",
                                       "TLS",         "END",
                                       NULL };
    static const char *const whole[] = { HELLO_WITH("REQUIRETLS"), TRANSACTION(""),
                                         "C QUIT", NULL };

    (void)state;
    desk.tls = strict_ctx;
    send_alone(cut, REQUIRED, 550);
    send_alone(whole, OPTIONAL, 250);
    desk.tls = trusting_ctx;
    send_alone(whole, OPTIONAL, 250);
}

static int setup(void **state)
{
    if (make_contexts(state) != 0 || test_group_setup(state) != 0)
        return -1;
    arena = arena_new();
    desk = (struct desk){
        .finder = { .domains = &own, .hostname = S("own.org"), .port = 25 },
        .tls = trusting_ctx,
        .guard = destination_guard_new(false),
        .dbs = dbs_new(),
        .helo = "own.org",
        .connect_ms = 3000,
        .command_ms = 5000,
    };
    dbs_add(desk.dbs, test_connect());
    return 0;
}

static int teardown(void **state)
{
    dbs_free(&desk.dbs);
    destination_guard_free(&desk.guard);
    arena_free(&arena);
    drop_contexts(state);
    return test_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_required, test_setup),
        cmocka_unit_test_setup(test_not_offered, test_setup),
        cmocka_unit_test_setup(test_certificate, test_setup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
