/* bus_test.h - two and three processes' worth of buses in one, over loopback, for the
 * tests of the bus. */
#pragma once

#include "bus/bus.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define SECRET_A "0123456789abcdef0123456789abcdef-a"
#define SECRET_B "0123456789abcdef0123456789abcdef-b"

/* The tests know accounts by small numbers, a hundred of each range. */
enum { WAIT_MS = 20000, OF_RANGE = 100, ACCOUNTS = MSG_RANGES * OF_RANGE };

struct member {
    struct bus *bus;
    atomic_int messages, event_peers;
    _Atomic int64_t last, at_us; /* account or queue of the last message; its arrival */
    atomic_int only;             /* the account that is wanted; 0: all are */
    atomic_uchar seen[ACCOUNTS];
};

static inline int64_t account_of(int number)
{
    return (int64_t)(number / OF_RANGE) << 36 | number % OF_RANGE;
}

static inline int64_t number_of(int64_t account)
{
    return (account >> 36) * OF_RANGE + (account & 0xfffffffff);
}

static inline void on_message(void *user, const struct msg *m)
{
    struct member *me = user;
    int64_t id = m->kind == MSG_mailbox_changed ? number_of(m->mailbox_changed.account)
                                                : m->mail_queued.queue;

    atomic_store(&me->at_us, clock_monotonic_us());
    atomic_store(&me->last, id);
    if (id >= 0 && id < ACCOUNTS)
        atomic_store(&me->seen[id], 1);
    atomic_fetch_add(&me->messages, 1);
}

static inline bool wants_account(void *user, int64_t account)
{
    int only = atomic_load(&((struct member *)user)->only);

    return only == 0 || only == number_of(account);
}

static inline void on_event_peer(void *user)
{
    atomic_fetch_add(&((struct member *)user)->event_peers, 1);
}

static inline int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* ports: 0 = does not bind; peers: texts, NULL ends. */
static inline struct member *join_with(const char *secret, const char *previous,
                                       int work_port, int event_port,
                                       const char *work_peers, const char *event_peers)
{
    struct member *me = mem_alloc(sizeof(*me));
    struct bus_options o = { .address = "*",
                             .work_port = work_port,
                             .event_port = event_port,
                             .secret = secret,
                             .secret_previous = previous,
                             .peers_interval_ms = 50,
                             .user = me,
                             .wants_account = wants_account,
                             .on_message = on_message,
                             .on_event_peer = on_event_peer };
    char error[BUS_ERROR_BYTES] = "";

    if (work_peers != NULL)
        o.peers[o.peer_count++] = (struct bus_peer){ "work", work_peers, MSG_WORK };
    if (event_peers != NULL)
        o.peers[o.peer_count++] = (struct bus_peer){ "events", event_peers, MSG_EVENT };
    if (bus_start(&o, &me->bus, error) != RC_OK)
        fail_msg("%s", error);
    return me;
}

static inline struct member *join(int work_port, int event_port, const char *work_peers,
                                  const char *event_peers)
{
    return join_with(SECRET_A, NULL, work_port, event_port, work_peers, event_peers);
}

static inline void leave(struct member **me)
{
    bus_stop(&(*me)->bus);
    mem_free(*me);
    *me = NULL;
}

static inline char *text_of(char *to, int first, int second)
{
    if (second == 0)
        snprintf(to, 100, "static:127.0.0.1:%d", first);
    else
        snprintf(to, 100, "static:127.0.0.1:%d,127.0.0.1:%d", first, second);
    return to;
}

static inline bool pause_until(struct deadline until)
{
    nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
    return !deadline_passed(until);
}

#define WAIT_FOR(condition)                                                              \
    do {                                                                                 \
        struct deadline wait_until = deadline_in_ms(WAIT_MS);                            \
        while (!(condition) && pause_until(wait_until))                                  \
            continue;                                                                    \
        if (!(condition))                                                                \
            fail_msg("in vain: %s", #condition);                                         \
    } while (0)

static inline bool is_complete(struct member *m)
{
    const char *names[BUS_PEERS_MAX];

    return bus_missing(m->bus, names) == 0;
}

static inline void subscribe(struct member *m, int number)
{
    bus_subscribe(m->bus, account_of(number));
}

static inline void publish(struct member *m, int number)
{
    struct msg hint = { .kind = MSG_mailbox_changed };

    hint.mailbox_changed.account = account_of(number);
    bus_publish(m->bus, &hint);
}

static inline void send_work(struct member *m, int64_t queue)
{
    struct msg hint = { .kind = MSG_mail_queued };

    hint.mail_queued.queue = queue;
    bus_send_work(m->bus, &hint);
}

/* Subscriptions take a moment: say it again until it is heard. */
static inline void publish_until_heard(struct member *from, struct member *to, int number)
{
    struct deadline until = deadline_in_ms(WAIT_MS);

    do {
        publish(from, number);
    } while (atomic_load(&to->last) != number && pause_until(until));
    assert_int_equal(atomic_load(&to->last), number);
}

static inline int64_t metric_value(const char *name)
{
    struct buf text;
    char *at;
    int64_t v = -1;
    char needle[80];

    buf_init(&text, 1 << 20);
    metric_render(&text);
    buf_putc(&text, '\0');
    snprintf(needle, sizeof(needle), "\n%s ", name);
    at = strstr(text.p, needle);
    if (at != NULL)
        v = strtoll(at + strlen(needle), NULL, 10);
    buf_fini(&text);
    return v;
}
