/* dns_test.c - questions to a name server that the test itself plays, on loopback UDP. */
#include "net/dns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 10 * 1000, A = 1, MX = 15, TXT = 16, AAAA = 28 };

/* Rdata of one record; names in wire form, as long as their rdata says. */
struct record {
    const char *name; /* lower case */
    int type;
    const char *rdata;
    size_t rdata_n;
};

#define R(name, type, rdata)                                                             \
    {                                                                                    \
        name, type, rdata, sizeof(rdata) - 1                                             \
    }

static const struct record records[] = {
    R("mx.test", MX, "\0\x14\2b2\2mx\4test\0"),
    R("mx.test", MX, "\0\x0a\1A\2mx\4test\0"),
    R("mx.test", MX, "\0\x14\2b1\2mx\4test\0"),
    R("null.test", MX, "\0\0\0"),
    R("bad.test", MX, "\0\x0a\3a b\4test\0"),
    R("plain.test", A, "\xc0\0\2\1"),
    R("both.test", A, "\xc0\0\2\2"),
    R("both.test", AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    R("text.test", TXT, "\5v=abc\4 def"),
    R("text.test", TXT, "\1x"),
};

struct fixture {
    struct dns *dns;
    struct arena *arena;
    pthread_t server;
    int fd;
    char resolver[32];
    _Atomic bool stop;
};

/* The question's name as text; its end in the packet as the result, 0 when malformed. */
static size_t read_name(const unsigned char *p, size_t n, char *text)
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

static void put16(struct buf *b, unsigned v)
{
    buf_putc(b, (char)(v >> 8));
    buf_putc(b, (char)v);
}

static int add_answers(struct buf *out, const char *name, int type, bool *name_exists)
{
    int count = 0;

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        const struct record *r = &records[i];

        if (strcmp(r->name, name) != 0)
            continue;
        *name_exists = true;
        if (r->type != type)
            continue;
        put16(out, 0xc00c); /* the name of the question */
        put16(out, (unsigned)type);
        put16(out, 1);
        put16(out, 0);
        put16(out, 60);
        put16(out, (unsigned)r->rdata_n);
        buf_append(out, r->rdata, r->rdata_n);
        count++;
    }
    return count;
}

static void answer(int fd, const unsigned char *p, size_t n, const struct sockaddr *to,
                   socklen_t to_n)
{
    char name[256];
    size_t end = read_name(p, n, name);
    struct buf out, records_out;
    bool exists = false;
    int type, count;

    if (end == 0 || strcmp(name, "silent.test") == 0)
        return;
    type = p[end] << 8 | p[end + 1];
    buf_init(&out, 4096);
    buf_init(&records_out, 4096);
    count = add_answers(&records_out, name, type, &exists);
    buf_append(&out, p, 2);
    if (strcmp(name, "fail.test") == 0)
        put16(&out, 0x8182);
    else
        put16(&out, exists ? 0x8180 : 0x8183);
    put16(&out, 1);
    put16(&out, (unsigned)count);
    put16(&out, 0);
    put16(&out, 0);
    buf_append(&out, p + 12, end + 4 - 12);
    buf_put(&out, buf_str(&records_out));
    sendto(fd, out.p, out.n, 0, to, to_n);
    buf_fini(&out);
    buf_fini(&records_out);
}

static void *serve(void *arg)
{
    struct fixture *f = arg;
    struct pollfd p = { .fd = f->fd, .events = POLLIN };
    unsigned char packet[1500];

    while (!atomic_load(&f->stop)) {
        struct sockaddr_storage from;
        socklen_t from_n = sizeof(from);
        ssize_t n;

        if (poll(&p, 1, 20) <= 0)
            continue;
        n = recvfrom(f->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_n);
        if (n > 12)
            answer(f->fd, packet, (size_t)n, (struct sockaddr *)&from, from_n);
    }
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct addr at = { .family = 4, .ip = { 127, 0, 0, 1 } };
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(&at, &sa);
    struct dns_options o = { .resolver = f->resolver, .trust_anchor_file = "none" };

    f->arena = arena_new();
    f->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(f->fd, (struct sockaddr *)&sa, &n), 0);
    assert_true(addr_from_sockaddr((struct sockaddr *)&sa, n, &at));
    snprintf(f->resolver, sizeof(f->resolver), "127.0.0.1:%u", (unsigned)at.port);
    assert_int_equal(pthread_create(&f->server, NULL, serve, f), 0);
    assert_int_equal(dns_new(&o, NULL, &f->dns), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dns_free(&f->dns);
    atomic_store(&f->stop, true);
    pthread_join(f->server, NULL);
    close(f->fd);
    arena_free(&f->arena);
    mem_free(f);
    return 0;
}

static void assert_str(str_t got, const char *expected)
{
    assert_int_equal(got.n, strlen(expected));
    assert_memory_equal(got.p, expected, got.n);
}

static struct deadline soon(void)
{
    return deadline_in_ms(WAIT_MS);
}

static void test_mx_is_sorted(void **state)
{
    struct fixture *f = *state;
    struct dns_mx mx;

    assert_int_equal(dns_mx(f->dns, f->arena, S("MX.test."), soon(), &mx), RC_OK);
    assert_int_equal(mx.count, 3);
    assert_str(mx.host[0].name, "a.mx.test");
    assert_int_equal(mx.host[0].preference, 10);
    assert_int_equal(mx.host[1].preference, 20);
    assert_int_equal(mx.host[2].preference, 20);
    assert_false(mx.implicit);
    assert_false(mx.null_mx);
    assert_false(mx.status.secure);
}

static void test_null_and_implicit_mx(void **state)
{
    struct fixture *f = *state;
    struct dns_mx mx;

    assert_int_equal(dns_mx(f->dns, f->arena, S("null.test"), soon(), &mx), RC_OK);
    assert_true(mx.null_mx);
    assert_int_equal(mx.count, 0);
    assert_int_equal(dns_mx(f->dns, f->arena, S("plain.test"), soon(), &mx), RC_OK);
    assert_true(mx.implicit);
    assert_str(mx.host[0].name, "plain.test");
    assert_int_equal(dns_mx(f->dns, f->arena, S("nowhere.test"), soon(), &mx),
                     RC_NOT_FOUND);
    assert_true(mx.status.nxdomain);
}

static void test_temporary_is_not_absent(void **state)
{
    struct fixture *f = *state;
    struct dns_mx mx;
    struct dns_addresses addresses;

    assert_int_equal(dns_mx(f->dns, f->arena, S("fail.test"), soon(), &mx), RC_RETRY);
    assert_int_equal(dns_addresses(f->dns, f->arena, S("fail.test"), soon(), &addresses),
                     RC_RETRY);
    assert_int_equal(dns_mx(f->dns, f->arena, S("silent.test"), deadline_in_ms(50), &mx),
                     RC_TIMEOUT);
}

static void test_hostile_names(void **state)
{
    struct fixture *f = *state;
    struct dns_mx mx;
    char label[66], *longest = arena_alloc(f->arena, 256);

    assert_int_equal(dns_mx(f->dns, f->arena, S("bad.test"), soon(), &mx), RC_RETRY);
    memset(label, 'a', sizeof(label));
    memset(longest, '.', 255);
    assert_int_equal(dns_mx(f->dns, f->arena, str_n(label, 64), soon(), &mx), RC_INVALID);
    assert_int_equal(dns_mx(f->dns, f->arena, str_n(longest, 255), soon(), &mx),
                     RC_INVALID);
    assert_int_equal(dns_mx(f->dns, f->arena, S("a..b"), soon(), &mx), RC_INVALID);
    assert_int_equal(dns_mx(f->dns, f->arena, S("a\0b"), soon(), &mx), RC_INVALID);
    assert_int_equal(dns_mx(f->dns, f->arena, S("."), soon(), &mx), RC_INVALID);
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    struct dns_addresses got;
    char text[ADDR_TEXT_BYTES];

    assert_int_equal(dns_addresses(f->dns, f->arena, S("both.test"), soon(), &got),
                     RC_OK);
    assert_int_equal(got.count, 2);
    assert_string_equal(addr_text(&got.addr[0], text), "2001:db8::1");
    assert_string_equal(addr_text(&got.addr[1], text), "192.0.2.2");
    assert_int_equal(dns_addresses(f->dns, f->arena, S("plain.test"), soon(), &got),
                     RC_OK);
    assert_int_equal(got.count, 1);
    assert_int_equal(dns_addresses(f->dns, f->arena, S("mx.test"), soon(), &got),
                     RC_NOT_FOUND);
    assert_false(got.status.nxdomain);
}

static void test_txt(void **state)
{
    struct fixture *f = *state;
    struct dns_records got;
    bool joined = false;

    assert_int_equal(dns_txt(f->dns, f->arena, S("text.test"), soon(), &got), RC_OK);
    assert_int_equal(got.count, 2);
    for (size_t i = 0; i < got.count; i++)
        joined = joined || str_eq(got.data[i], S("v=abc def"));
    assert_true(joined);
}

static void *ask_many(void *arg)
{
    struct fixture *f = arg;
    struct arena *a = arena_new();
    struct dns_addresses got;

    for (int i = 0; i < 200; i++) {
        CHECK(dns_addresses(f->dns, a, S("both.test"), soon(), &got) == RC_OK);
        CHECK(got.count == 2);
    }
    arena_free(&a);
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, *state), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}

static void test_bad_options(void **state)
{
    static const char *const resolvers[] = { "no address", "127.0.0.1:x",
                                             "1.2.3.4:99999" };
    struct dns_options o = { .trust_anchor_file = "none" };
    struct dns *d = NULL;
    struct buf why;

    (void)state;
    buf_init(&why, 1000);
    for (size_t i = 0; i < ARRAY_LEN(resolvers); i++) {
        o.resolver = resolvers[i];
        buf_clear(&why);
        assert_int_equal(dns_new(&o, &why, &d), RC_INVALID);
        assert_true(why.n > 0);
    }
    o = (struct dns_options){ .resolver = "root", .trust_anchor_file = "/nowhere" };
    assert_int_equal(dns_new(&o, NULL, &d), RC_INVALID);
    buf_fini(&why);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mx_is_sorted),
        TEST(test_null_and_implicit_mx),
        TEST(test_temporary_is_not_absent),
        TEST(test_hostile_names),
        TEST(test_addresses),
        TEST(test_txt),
        TEST(test_many_threads),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
