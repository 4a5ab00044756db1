/* delivery_test.c - messages from a real store to scripted hosts. */
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

#define HELLO                                                                            \
    "S 220 hello", "C EHLO own.org", "S 250-mx", "S 250-PIPELINING", "S 250 STARTTLS",   \
        "C STARTTLS", "S 220 go", "TLS", "C EHLO own.org", "S 250-mx",                   \
        "S 250 PIPELINING"
#define ENVELOPE(rcpt_reply)                                                             \
    "C MAIL FROM:<me@own.org>", "C RCPT TO:<a@x.org>", "C DATA", "S 250 ok", rcpt_reply, \
        "S 354 go"

static struct delivery *deliver_by(str_t target, str_t domain)
{
    struct transport_way way = transport_way_of(target, domain);

    return delivery_new(&desk, &way);
}

/* The peer as a smarthost; by its address, so any certificate will do. */
static struct delivery *deliver_to(const struct addr *to)
{
    return deliver_by(
        str_of(arena_printf(arena, "smtp://127.0.0.1:%u", (unsigned)to->port)),
        S("x.org"));
}

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

/* A second message on the kept connection; then the host hangs up, and the third one
 * goes over a new connection without anybody noticing. */
static void test_keeps_the_connection(void **state)
{
    static const char *const script[] = {
        HELLO,  ENVELOPE("S 250 ok"), "DATA", "S 250 one", ENVELOPE("S 250 ok"),
        "DATA", "S 250 two",          "NEXT", HELLO,       ENVELOPE("S 550 no"),
        "C .",  "S 554 nobody",       "END",  NULL
    };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("first\r\n"))), 250);
    assert_true(delivery_is_connected(d));
    assert_int_equal(send_one(d, parcel(S("second\r\n.dot\r\n"))), 250);
    assert_int_equal(send_one(d, parcel(S("third\r\n"))), 550);
    assert_true(
        str_eq(buf_str(&p.message),
               S("Received: by own.org\r\nSubject: x\r\n\r\nsecond\r\n..dot\r\n")));
    delivery_free(&d);
    end(&p);
}

/* Larger than a slice, read piece by piece: every byte arrives. */
static void test_large(void **state)
{
    static const char *const script[] = { HELLO,  ENVELOPE("S 250 ok"),
                                          "DATA", "S 250 ok",
                                          "END",  NULL };
    enum { LINES = 10000, LINE = 78 };
    static char body[LINES * LINE];
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    for (int i = 0; i < LINES; i++) {
        char number[16];

        snprintf(number, sizeof(number), "%08d", i);
        memset(body + i * LINE, 'a' + i % 26, LINE);
        memcpy(body + i * LINE, number, 8);
        memcpy(body + i * LINE + LINE - 2, "\r\n", 2);
    }
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(str_n(body, sizeof(body)))), 250);
    assert_true(p.message.n > sizeof(body));
    assert_memory_equal(p.message.p + p.message.n - sizeof(body), body, sizeof(body));
    delivery_free(&d);
    end(&p);
}

/* Nobody listens: the answer is temporary, and given to the next one without waiting. */
static void test_unreachable(void **state)
{
    static const char *const script[] = { NULL };
    struct delivery *d;
    struct delivery_result result;
    struct parcel *p = parcel(S("x\r\n"));
    struct peer peer;
    struct addr to = begin(&peer, script);

    (void)state;
    d = deliver_to(&to);
    shutdown(peer.listener, SHUT_RDWR);
    end(&peer);
    assert_int_equal(delivery_send(d, arena, p, &result), RC_OK);
    assert_int_equal(result.rcpt[0].answer.code, 421);
    assert_true(delivery_is_unreachable(d));
    assert_false(delivery_is_connected(d));
    assert_int_equal(send_one(d, p), 421);
    delivery_free(&d);
}

/* Whoever was accepted at RCPT has nothing until the end of the message. */
static void test_cut_within_the_message(void **state)
{
    static const char *const script[] = { HELLO, ENVELOPE("S 250 ok"), "C Received",
                                          NULL };
    enum { BYTES = 20000000 };
    struct delivery *d;
    char *body = arena_alloc(arena, BYTES);
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    memset(body, 'x', BYTES);
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(str_n(body, BYTES))), 421);
    delivery_free(&d);
    end(&p);
}

/* The message is there, its end is not answered: it may be doubled, never lost. */
static void test_no_final_answer(void **state)
{
    static const char *const script[] = { HELLO, ENVELOPE("S 250 ok"), "DATA", NULL };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    delivery_free(&d);
    end(&p);
}

/* Stopping: what is on its way may end, nothing new begins, and nobody says "failed".
 * The dispatcher aborts all again whenever it wakes up, so also long after the end. */
static void test_abort(void **state)
{
    static const char *const script[] = { NULL };
    struct delivery *d;
    struct parcel *p = parcel(S("x\r\n"));
    struct delivery_result result;
    struct peer peer;
    struct addr to = begin(&peer, script);

    (void)state;
    d = deliver_to(&to);
    delivery_abort(d, false);
    assert_int_equal(delivery_send(d, arena, p, &result), RC_CLOSED);
    delivery_abort(d, true);
    parcel_free(&p);
    delivery_free(&d);
    shutdown(peer.listener, SHUT_RDWR); /* nobody has come */
    end(&peer);
}

/* Somewhere in the kernel's table: a connection to this port is being made. */
static bool is_connecting_to(uint16_t port)
{
    FILE *f = fopen("/proc/net/tcp", "r");
    char line[256], wanted[32];
    bool found = false;

    assert_non_null(f);
    snprintf(wanted, sizeof(wanted), ":%04X 02 ", (unsigned)port);
    while (!found && fgets(line, sizeof(line), f) != NULL)
        found = strstr(line, wanted) != NULL;
    fclose(f);
    return found;
}

struct sending {
    struct delivery *delivery;
    struct parcel *parcel;
    enum rc rc;
};

static void *send_main(void *arg)
{
    struct sending *s = arg;
    struct delivery_result result;

    s->rc = delivery_send(s->delivery, arena, s->parcel, &result);
    return NULL;
}

/* A connection that is only being made is given up at once. */
static void test_abort_while_connecting(void **state)
{
    struct sending s = { .parcel = parcel(S("x\r\n")) };
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM, 0), fill[4];
    struct addr to;
    pthread_t thread;
    int64_t began;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    assert_true(addr_from_sockaddr((struct sockaddr *)&a, n, &to));
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) { /* nobody takes them: it is full */
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&a, n);
    }
    while (!is_connecting_to(to.port))
        ;
    for (size_t i = 0; i < ARRAY_LEN(fill); i++)
        close(fill[i]); /* what was connected stays in the queue */
    while (is_connecting_to(to.port))
        ;
    s.delivery = deliver_to(&to);
    desk.connect_ms = 15000;
    assert_int_equal(pthread_create(&thread, NULL, send_main, &s), 0);
    while (!is_connecting_to(to.port))
        ;
    began = clock_monotonic_ms();
    delivery_abort(s.delivery, false);
    pthread_join(thread, NULL);
    assert_true(clock_monotonic_ms() - began < 3000);
    assert_int_equal(s.rc, RC_CLOSED);
    delivery_abort(s.delivery, true);
    desk.connect_ms = 3000;
    close(listener);
    parcel_free(&s.parcel);
    delivery_free(&s.delivery);
}

/* Nobody there takes mail, and says that it will stay so.  Of the operator's own host
 * that is a mistake which he will mend. */
static void test_hopeless(void **state)
{
    static const char *const script[] = { "S 554 no mail here", "NEXT",
                                          "S 554 no mail here", "END", NULL };
    struct destination_guard *guard = desk.guard, *open = destination_guard_new(true);
    struct delivery *d = deliver_by(S(""), S("[127.0.0.1]"));
    struct delivery_result result;
    struct parcel *p = parcel(S("x\r\n"));
    struct peer peer;
    struct addr to = begin(&peer, script);

    (void)state;
    desk.guard = open;
    desk.finder.port = to.port;
    assert_int_equal(delivery_send(d, arena, p, &result), RC_OK);
    assert_int_equal(result.rcpt[0].answer.code, 550);
    assert_true(str_find(result.rcpt[0].answer.text, S("554 no mail here")) != SIZE_MAX);
    parcel_free(&p);
    delivery_free(&d);
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    delivery_free(&d);
    desk.guard = guard;
    desk.finder.port = 25;
    destination_guard_free(&open);
    end(&peer);
}

/* A message at which the smarthost hangs up puts off no other, of whatever domain. */
static void test_smarthost_breaks_off(void **state)
{
    static const char *const script[] = { HELLO,
                                          "C MAIL FROM:<me@own.org>",
                                          "NEXT",
                                          HELLO,
                                          ENVELOPE("S 250 ok"),
                                          "DATA",
                                          "S 250 ok",
                                          "END",
                                          NULL };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("first\r\n"))), 421);
    assert_false(delivery_is_unreachable(d));
    assert_int_equal(send_one(d, parcel(S("second\r\n"))), 250);
    delivery_free(&d);
    end(&p);
}

/* Nor does one after whose end the smarthost hangs up. */
static void test_smarthost_breaks_off_at_the_end(void **state)
{
    static const char *const script[] = {
        HELLO,  ENVELOPE("S 250 ok"), "DATA", "NEXT", HELLO, ENVELOPE("S 250 ok"),
        "DATA", "S 250 ok",           "END",  NULL
    };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("first\r\n"))), 421);
    assert_int_equal(send_one(d, parcel(S("second\r\n"))), 250);
    delivery_free(&d);
    end(&p);
}

/* A smarthost that breaks off at one message after another gets a rest; one that takes
 * mail between them does not need it. */
static void test_smarthost_breaks_off_at_all(void **state)
{
#define BREAKS_OFF HELLO, ENVELOPE("S 250 ok"), "DATA", "NEXT"
    static const char *const script[] = { BREAKS_OFF, BREAKS_OFF,           BREAKS_OFF,
                                          HELLO,      ENVELOPE("S 250 ok"), "DATA",
                                          "S 250 ok", ENVELOPE("S 250 ok"), "DATA",
                                          "NEXT",     BREAKS_OFF,           BREAKS_OFF,
                                          HELLO,      ENVELOPE("S 250 ok"), "DATA",
                                          NULL };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    for (int i = 0; i < 8; i++)
        assert_int_equal(send_one(d, parcel(S("x\r\n"))), i == 3 ? 250 : 421);
    assert_false(delivery_is_unreachable(d));
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    assert_true(delivery_is_unreachable(d));
    delivery_free(&d);
    end(&p);
}

/* By a target of a newer program: it waits for a sender that knows it. */
static void test_unknown_transport(void **state)
{
    struct delivery *d = deliver_by(S("pigeon://127.0.0.1:1"), S("x.org"));

    (void)state;
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 451);
    assert_true(delivery_is_unreachable(d));
    delivery_free(&d);
    d = deliver_by(S("nonsense"), S("x.org"));
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 451);
    delivery_free(&d);
}

/* The only host has taken a connection and ended it: what waits behind is put off. */
static void test_last_host_ends_the_connection(void **state)
{
    static const char *const script[] = { HELLO,  ENVELOPE("S 250 ok"),
                                          "DATA", "S 421 enough for now",
                                          "END",  NULL };
    struct delivery *d;
    struct peer p;
    struct addr to = begin(&p, script);

    (void)state;
    d = deliver_to(&to);
    assert_int_equal(send_one(d, parcel(S("first\r\n"))), 421);
    assert_false(delivery_is_connected(d));
    assert_int_equal(send_one(d, parcel(S("second\r\n"))), 421);
    delivery_free(&d);
    end(&p);
}

static void test_private_addresses(void **state)
{
    struct delivery *d = deliver_by(S(""), S("[127.0.0.1]"));
    struct delivery_result result;
    struct parcel *p = parcel(S("x\r\n"));

    (void)state;
    assert_int_equal(delivery_send(d, arena, p, &result), RC_OK);
    assert_int_equal(result.rcpt[0].answer.code, 550);
    assert_true(str_find(result.rcpt[0].answer.text, S("private")) != SIZE_MAX);
    parcel_free(&p);
    delivery_free(&d);
}

/* A name server: nothing for names with "n"; for others a private IPv6 address, and no
 * answer now about IPv4. */
static void *answer_half(void *arg)
{
    enum { HEADER = 12, QUESTION_TAIL = 4, A = 1, AAAA = 28 };
    static const unsigned char record[] = { 0xc0, 12, 0,    AAAA, 0, 1, 0, 0, 0, 60,
                                            0,    16, 0xfd, 0,    0, 0, 0, 0, 0, 0,
                                            0,    0,  0,    0,    0, 0, 0, 1 };
    unsigned char packet[1500];
    struct sockaddr_storage from;
    socklen_t from_n = sizeof(from);
    int fd = *(int *)arg;
    ssize_t n;

    while ((n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from,
                         &from_n)) > HEADER + QUESTION_TAIL) {
        size_t end = HEADER + strlen((char *)packet + HEADER) + 1 + QUESTION_TAIL;
        int type = packet[HEADER + 1] == 'n' ? 0 : packet[end - 3];

        packet[2] = 0x81;
        packet[3] = type == A ? 0x82 : 0x80; /* SERVFAIL */
        packet[7] = type == AAAA;
        memset(packet + 8, 0, 4);
        if (type == AAAA)
            memcpy(packet + end, record, sizeof(record));
        end += type == AAAA ? sizeof(record) : 0;
        sendto(fd, packet, end, 0, (struct sockaddr *)&from, from_n);
        from_n = sizeof(from);
    }
    return NULL;
}

/* That the addresses which are known are none of use is not final while there may be
 * others; that there are none is. */
static void test_addresses_that_are_not_known(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct dns_options o = { .trust_anchor_file = "none" };
    struct delivery *d = deliver_by(S(""), S("x.org"));
    pthread_t server;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    o.resolver = arena_printf(arena, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    assert_int_equal(pthread_create(&server, NULL, answer_half, &fd), 0);
    assert_int_equal(dns_new(&o, NULL, &desk.finder.dns), RC_OK);
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    desk.disable_ipv6 = true;
    delivery_retry(d);
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    desk.disable_ipv6 = false;
    delivery_free(&d);
    d = deliver_by(S(""), S("none.test"));
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 550);
    delivery_free(&d);
    d = deliver_by(S("smtp://none.test:25"), S("x.org")); /* it may be about to start */
    assert_int_equal(send_one(d, parcel(S("x\r\n"))), 421);
    delivery_free(&d);
    dns_free(&desk.finder.dns);
    shutdown(fd, SHUT_RDWR);
    pthread_join(server, NULL);
    close(fd);
}

/* Somebody else has the row: the host never sees the end of the message. */
static void test_lost_lease(void **state)
{
    static const char *const script[] = { HELLO, ENVELOPE("S 250 ok"), "DATA", NULL };
    struct delivery *d;
    struct parcel *p = parcel(S("x\r\n"));
    struct delivery_result result;
    struct peer peer;
    struct addr to = begin(&peer, script);

    (void)state;
    d = deliver_to(&to);
    test_sql("UPDATE queue_remote SET lease = lease + 1");
    p->leased_until_ms = clock_monotonic_ms() + 1000; /* too short to rely on */
    assert_int_equal(delivery_send(d, arena, p, &result), RC_CONFLICT);
    pthread_join(peer.thread, NULL);
    assert_string_equal(peer.problem, "closed within the message");
    close(peer.listener);
    buf_fini(&peer.in);
    buf_fini(&peer.message);
    parcel_free(&p);
    delivery_free(&d);
}

/* The message expired while it waited: nothing is asked, its sender is told. */
static void test_no_body(void **state)
{
    static const char *const script[] = { HELLO, "END", NULL };
    struct delivery *d;
    struct parcel *p = parcel(S("x\r\n"));
    struct peer peer;
    struct addr to = begin(&peer, script);

    (void)state;
    d = deliver_to(&to);
    p->row.body_id++;
    assert_int_equal(send_one(d, p), 554);
    delivery_free(&d);
    end(&peer);
}

static int setup(void **state)
{
    if (make_contexts(state) != 0 || test_group_setup(state) != 0)
        return -1;
    arena = arena_new();
    desk = (struct desk){
        .finder = { .domains = &own, .hostname = S("own.org"), .port = 25 },
        .tls = strict_ctx,
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
        cmocka_unit_test_setup(test_keeps_the_connection, test_setup),
        cmocka_unit_test_setup(test_large, test_setup),
        cmocka_unit_test_setup(test_unreachable, test_setup),
        cmocka_unit_test_setup(test_cut_within_the_message, test_setup),
        cmocka_unit_test_setup(test_no_final_answer, test_setup),
        cmocka_unit_test_setup(test_abort, test_setup),
        cmocka_unit_test_setup(test_abort_while_connecting, test_setup),
        cmocka_unit_test_setup(test_hopeless, test_setup),
        cmocka_unit_test_setup(test_smarthost_breaks_off, test_setup),
        cmocka_unit_test_setup(test_smarthost_breaks_off_at_the_end, test_setup),
        cmocka_unit_test_setup(test_smarthost_breaks_off_at_all, test_setup),
        cmocka_unit_test_setup(test_unknown_transport, test_setup),
        cmocka_unit_test_setup(test_last_host_ends_the_connection, test_setup),
        cmocka_unit_test_setup(test_private_addresses, test_setup),
        cmocka_unit_test_setup(test_addresses_that_are_not_known, test_setup),
        cmocka_unit_test_setup(test_lost_lease, test_setup),
        cmocka_unit_test_setup(test_no_body, test_setup),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
