/* test_name_server.h - a name server that a test plays itself, on loopback UDP.
 *
 * Names that begin so behave so: silent - is never answered; fail, _dmarc.fail -
 * SERVFAIL; held - as held.test, but only once the gate is open; half.test has no answer
 * for A.
 */
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TEST_TYPE_A = 1,
    TEST_TYPE_RRSIG = 46,
    TEST_HELD_MAX = 8192,
    TEST_PACKET_MAX = 512
};

/* Rdata of one record; names in wire form, as long as their rdata says. */
struct test_record {
    const char *name; /* lower case */
    int type;
    const char *rdata;
    size_t rdata_n;
};

#define TEST_RECORD(name, type, rdata)                                                   \
    {                                                                                    \
        name, type, rdata, sizeof(rdata) - 1                                             \
    }

struct test_held {
    unsigned char packet[TEST_PACKET_MAX];
    size_t n;
    struct sockaddr_storage from;
    socklen_t from_n;
};

struct test_name_server {
    const struct test_record *records;
    size_t record_count;
    char address[32]; /* with its port */
    _Atomic bool silent_asked;
    _Atomic size_t held_count; /* questions behind the gate */
    _Atomic bool is_open;      /* the gate */
    _Atomic bool stop;
    struct test_held *held;
    pthread_t thread;
    int fd;
};

/* The question's name as text; its end in the packet as the result, 0 when malformed. */
static inline size_t test_name_server_name(const unsigned char *p, size_t n, char *text)
{
    size_t at = 12, to = 0;

    while (at < n && p[at] != 0 && at + p[at] < n && to + p[at] < 200) {
        for (size_t i = 1; i <= p[at]; i++)
            text[to++] = (char)str_lower_char(p[at + i]);
        text[to++] = '.';
        at += p[at] + 1u;
    }
    text[to > 0 ? to - 1 : 0] = '\0';
    return at + 5 <= n ? at + 1 : 0;
}

static inline void test_name_server_put16(struct buf *b, unsigned v)
{
    buf_putc(b, (char)(v >> 8));
    buf_putc(b, (char)v);
}

static inline bool test_record_signs(const struct test_record *r, int type)
{
    return r->type == TEST_TYPE_RRSIG &&
           ((unsigned char)r->rdata[0] << 8 | (unsigned char)r->rdata[1]) == type;
}

static inline int test_name_server_add(const struct test_name_server *s, struct buf *out,
                                       const char *name, int type, bool *name_exists)
{
    int count = 0;

    for (size_t i = 0; i < s->record_count; i++) {
        const struct test_record *r = &s->records[i];

        if (strcmp(r->name, name) != 0)
            continue;
        *name_exists = true;
        if (r->type != type && !test_record_signs(r, type))
            continue;
        test_name_server_put16(out, 0xc00c); /* the name of the question */
        test_name_server_put16(out, (unsigned)r->type);
        test_name_server_put16(out, 1);
        test_name_server_put16(out, 0);
        test_name_server_put16(out, 60);
        test_name_server_put16(out, (unsigned)r->rdata_n);
        buf_append(out, r->rdata, r->rdata_n);
        count++;
    }
    return count;
}

static inline void test_name_server_answer(struct test_name_server *s,
                                           const struct test_held *q)
{
    const unsigned char *p = q->packet;
    char name[256];
    size_t end = test_name_server_name(p, q->n, name);
    struct buf out, records_out;
    bool exists = false;
    int type, count;

    if (end == 0 || str_starts(str_of(name), S("silent")))
        return;
    type = p[end] << 8 | p[end + 1];
    if (strcmp(name, "half.test") == 0 && type == TEST_TYPE_A)
        return;
    buf_init(&out, 4096);
    buf_init(&records_out, 4096);
    count = test_name_server_add(s, &records_out,
                                 str_starts(str_of(name), S("held")) ? "held.test" : name,
                                 type, &exists);
    buf_append(&out, p, 2);
    if (str_starts(str_of(name), S("fail")) || str_starts(str_of(name), S("_dmarc.fail")))
        test_name_server_put16(&out, 0x8182);
    else
        test_name_server_put16(&out, exists ? 0x8180 : 0x8183);
    test_name_server_put16(&out, 1);
    test_name_server_put16(&out, (unsigned)count);
    test_name_server_put16(&out, 0);
    test_name_server_put16(&out, 1);
    buf_append(&out, p + 12, end + 4 - 12);
    buf_put(&out, buf_str(&records_out));
    buf_append(&out, "\0\0\x29\4\xd0\0\0\x80\0\0\0", 11); /* EDNS, DNSSEC OK */
    sendto(s->fd, out.p, out.n, 0, (const struct sockaddr *)&q->from, q->from_n);
    buf_fini(&out);
    buf_fini(&records_out);
}

static inline void test_name_server_open_gate(struct test_name_server *s)
{
    size_t n = atomic_exchange(&s->held_count, 0);

    for (size_t i = 0; i < n; i++)
        test_name_server_answer(s, &s->held[i]);
}

static inline void *test_name_server_main(void *arg)
{
    struct test_name_server *s = arg;
    struct pollfd p = { .fd = s->fd, .events = POLLIN };

    while (!atomic_load(&s->stop)) {
        struct test_held q = { .from_n = sizeof(q.from) };
        ssize_t n;

        if (atomic_load(&s->is_open))
            test_name_server_open_gate(s);
        if (poll(&p, 1, 20) <= 0)
            continue;
        n = recvfrom(s->fd, q.packet, sizeof(q.packet), 0, (struct sockaddr *)&q.from,
                     &q.from_n);
        if (n <= 20)
            continue;
        q.n = (size_t)n;
        if (memcmp(q.packet + 13, "silent", 6) == 0)
            atomic_store(&s->silent_asked, true);
        if (memcmp(q.packet + 13, "held", 4) != 0 || atomic_load(&s->is_open))
            test_name_server_answer(s, &q);
        else if (atomic_load(&s->held_count) < TEST_HELD_MAX)
            s->held[atomic_fetch_add(&s->held_count, 1)] = q;
    }
    return NULL;
}

/* The records outlive it. */
static inline void test_name_server_start(struct test_name_server *s,
                                          const struct test_record *records, size_t count)
{
    struct addr at = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(&at, &sa);

    *s = (struct test_name_server){ .records = records, .record_count = count };
    s->held = mem_alloc(TEST_HELD_MAX * sizeof(*s->held));
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &n), 0);
    assert_true(addr_from_sockaddr((struct sockaddr *)&sa, n, &at));
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", (unsigned)at.port);
    assert_int_equal(pthread_create(&s->thread, NULL, test_name_server_main, s), 0);
}

static inline void test_name_server_stop(struct test_name_server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    close(s->fd);
    mem_free(s->held);
}
