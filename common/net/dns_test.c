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

enum {
    WAIT_MS = 10 * 1000,
    A = 1,
    MX = 15,
    TXT = 16,
    AAAA = 28,
    RRSIG = 46,
    DNSKEY = 48
};

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

/* The zone sec.test, signed until 2036 with the Ed25519 key whose private half is the
 * bytes 0 to 31; the signature of forged.sec.test is host.sec.test's. */
#define SEC_KEY                                                                          \
    "\001\001\003\017\003\241\007\277\363\316\020\276\035\160\335\030\347\113"           \
    "\300\231\147\344\326\060\233\245\015\137\035\334\206\144\022\125\061\270"

#define SEC_KEY_SIGNATURE                                                                \
    "\000\060\017\002\000\000\000\074\174\044\137\000\136\013\341\000\205\323"           \
    "\003\163\145\143\004\164\145\163\164\000\013\134\227\240\206\074\040\246"           \
    "\015\335\113\142\162\175\062\324\343\036\264\162\244\317\337\351\123\254"           \
    "\326\126\047\022\147\117\310\212\333\041\350\001\201\122\356\033\047\074"           \
    "\173\165\006\113\102\066\360\031\124\017\344\106\352\115\317\345\006\170"           \
    "\226\017"

#define SEC_HOST_SIGNATURE                                                               \
    "\000\001\017\003\000\000\000\074\174\044\137\000\136\013\341\000\205\323"           \
    "\003\163\145\143\004\164\145\163\164\000\362\274\342\002\310\266\110\374"           \
    "\171\220\254\205\002\334\222\124\170\053\273\166\306\317\144\206\250\330"           \
    "\075\006\145\366\153\013\302\157\333\074\167\011\337\015\004\346\175\147"           \
    "\174\103\210\007\130\004\271\076\314\134\137\035\300\077\176\220\106\223"           \
    "\346\012"

static const char sec_anchor[] =
    "sec.test. IN DNSKEY 257 3 15 A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n";

static const struct record records[] = {
    R("sec.test", DNSKEY, SEC_KEY),
    R("sec.test", RRSIG, SEC_KEY_SIGNATURE),
    R("host.sec.test", A, "\xc0\0\2\3"),
    R("host.sec.test", RRSIG, SEC_HOST_SIGNATURE),
    R("forged.sec.test", A, "\xc0\0\2\3"),
    R("forged.sec.test", RRSIG, SEC_HOST_SIGNATURE),
    R("mx.test", MX, "\0\x14\2b2\2mx\4test\0"),
    R("mx.test", MX, "\0\x0a\1A\2mx\4test\0"),
    R("mx.test", MX, "\0\x14\2b1\2mx\4test\0"),
    R("null.test", MX, "\0\0\0"),
    R("bad.test", MX, "\0\x0a\3a b\4test\0"),
    R("plain.test", A, "\xc0\0\2\1"),
    R("both.test", A, "\xc0\0\2\2"),
    R("both.test", AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    R("half.test", AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    R("mapped.test", AAAA, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\5"),
    R("text.test", TXT, "\5v=abc\4 def"),
    R("text.test", TXT, "\1x"),
};

struct fixture {
    struct dns *dns;
    struct arena *arena;
    pthread_t server;
    int fd;
    char resolver[32];
    _Atomic bool stop, silent_asked;
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

static bool signs(const struct record *r, int type)
{
    return r->type == RRSIG &&
           ((unsigned char)r->rdata[0] << 8 | (unsigned char)r->rdata[1]) == type;
}

static int add_answers(struct buf *out, const char *name, int type, bool *name_exists)
{
    int count = 0;

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        const struct record *r = &records[i];

        if (strcmp(r->name, name) != 0)
            continue;
        *name_exists = true;
        if (r->type != type && !signs(r, type))
            continue;
        put16(out, 0xc00c); /* the name of the question */
        put16(out, (unsigned)r->type);
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
    if (strcmp(name, "half.test") == 0 && type == A)
        return;
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
    put16(&out, 1);
    buf_append(&out, p + 12, end + 4 - 12);
    buf_put(&out, buf_str(&records_out));
    buf_append(&out, "\0\0\x29\4\xd0\0\0\x80\0\0\0", 11); /* EDNS, DNSSEC OK */
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
        if (n > 20 && memcmp(packet + 13, "silent", 6) == 0)
            atomic_store(&f->silent_asked, true);
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

/* What one family says is not all: who has waited longer may learn the other. */
static void test_half_of_the_addresses(void **state)
{
    struct fixture *f = *state;
    struct dns_addresses got;

    assert_int_equal(dns_addresses(f->dns, f->arena, S("both.test"), soon(), &got),
                     RC_OK);
    assert_int_equal(got.missing, RC_OK);
    assert_int_equal(dns_addresses(f->dns, f->arena, S("plain.test"), soon(), &got),
                     RC_OK);
    assert_int_equal(got.missing, RC_OK); /* that there is no AAAA is known */
    assert_int_equal(
        dns_addresses(f->dns, f->arena, S("half.test"), deadline_in_ms(500), &got),
        RC_OK);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.missing, RC_TIMEOUT);
}

/* An address has one form, whoever gave it: the lists that judge it know only that. */
static void test_mapped_address(void **state)
{
    struct fixture *f = *state;
    struct dns_addresses got;
    char text[ADDR_TEXT_BYTES];

    assert_int_equal(dns_addresses(f->dns, f->arena, S("mapped.test"), soon(), &got),
                     RC_OK);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.addr[0].family, 4);
    assert_string_equal(addr_text(&got.addr[0], text), "10.0.0.5");
}

static void test_raw(void **state)
{
    struct fixture *f = *state;
    struct dns_records got;

    assert_int_equal(dns_raw(f->dns, f->arena, S("text.test"), TXT, soon(), &got), RC_OK);
    assert_int_equal(got.count, 2);
    for (size_t i = 0; i < got.count; i++)
        assert_true(str_eq(got.data[i], S("\5v=abc\4 def")) ||
                    str_eq(got.data[i], S("\1x")));
    assert_int_equal(dns_raw(f->dns, f->arena, S("plain.test"), TXT, soon(), &got),
                     RC_NOT_FOUND);
}

static void test_dnssec(void **state)
{
    struct fixture *f = *state;
    struct dns_options o = { .resolver = f->resolver };
    struct dns_records got;
    char anchor[64];
    FILE *file;

    snprintf(anchor, sizeof(anchor), "/tmp/dns_test.%d.key", (int)getpid());
    file = fopen(anchor, "w");
    fputs(sec_anchor, file);
    fclose(file);
    o.trust_anchor_file = anchor;
    dns_free(&f->dns);
    assert_int_equal(dns_new(&o, NULL, &f->dns), RC_OK);
    assert_int_equal(dns_raw(f->dns, f->arena, S("host.sec.test"), A, soon(), &got),
                     RC_OK);
    assert_true(got.status.secure);
    assert_int_equal(got.count, 1);
    assert_memory_equal(got.data[0].p, "\xc0\0\2\3", 4);
    assert_int_equal(dns_raw(f->dns, f->arena, S("forged.sec.test"), A, soon(), &got),
                     RC_RETRY);
    assert_true(got.status.bogus);
    assert_int_equal(dns_raw(f->dns, f->arena, S("plain.test"), A, soon(), &got), RC_OK);
    assert_false(got.status.secure);
    unlink(anchor);
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

static void *ask_silent(void *arg)
{
    struct fixture *f = arg;
    struct arena *a = arena_new();
    struct dns_addresses got;
    enum rc rc = dns_addresses(f->dns, a, S("silent.test"), soon(), &got);

    arena_free(&a);
    return rc == RC_TIMEOUT ? f : NULL;
}

/* Whoever waits for an answer stops waiting, and nobody begins. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    struct deadline until = deadline_in_ms(WAIT_MS / 2);
    pthread_t thread;
    void *timed_out;

    assert_int_equal(pthread_create(&thread, NULL, ask_silent, f), 0);
    while (!atomic_load(&f->silent_asked))
        assert_false(deadline_passed(until));
    dns_stop(f->dns);
    pthread_join(thread, &timed_out);
    assert_ptr_equal(timed_out, f);
    assert_ptr_equal(ask_silent(f), f);
    assert_false(deadline_passed(until));
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
        TEST(test_half_of_the_addresses),
        TEST(test_mapped_address),
        TEST(test_raw),
        TEST(test_dnssec),
        TEST(test_many_threads),
        TEST(test_stop),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
