/* dns_test.c - questions to a name server that the test itself plays. */
#include "net/dns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/test_name_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
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

#define R TEST_RECORD

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

static const struct test_record records[] = {
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
    R("held.test", MX, "\0\x0a\2mx\4test\0"),
    R("bad.test", MX, "\0\x0a\3a b\4test\0"),
    R("plain.test", A, "\xc0\0\2\1"),
    R("both.test", A, "\xc0\0\2\2"),
    R("both.test", AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    R("half.test", AAAA, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    R("mapped.test", AAAA, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\5"),
    R("a+b.any.test", A, "\xc0\0\2\1"),
    R("a b.any.test", A, "\xc0\0\2\1"),
    R("a\\b.any.test", A, "\xc0\0\2\1"),
    R("\"(;)@$%.any.test", A, "\xc0\0\2\1"),
    R("text.test", TXT, "\5v=abc\4 def"),
    R("text.test", TXT, "\1x"),
};

struct fixture {
    struct dns *dns;
    struct arena *arena;
    struct test_name_server server;
};

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct dns_options o = { .resolver = f->server.address, .trust_anchor_file = "none" };

    f->arena = arena_new();
    test_name_server_start(&f->server, records, ARRAY_LEN(records));
    assert_int_equal(dns_new(&o, NULL, &f->dns), RC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    dns_free(&f->dns);
    test_name_server_stop(&f->server);
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
    struct dns_options o = { .resolver = f->server.address };
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

struct word {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int count;
};

static void send_word(void *user)
{
    struct word *w = user;

    pthread_mutex_lock(&w->lock);
    w->count++;
    pthread_cond_broadcast(&w->came);
    pthread_mutex_unlock(&w->lock);
}

static struct word *word_new(struct arena *a)
{
    struct word *w = arena_alloc(a, sizeof(*w));

    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->came);
    return w;
}

static void await_words(struct word *w, int count)
{
    struct deadline until = soon();

    pthread_mutex_lock(&w->lock);
    while (w->count < count && cond_wait(&w->came, &w->lock, until))
        ;
    assert_int_equal(w->count, count);
    pthread_mutex_unlock(&w->lock);
}

/* Names that SPF makes: no byte of them means something else to the library. */
static void test_names_of_any_bytes(void **state)
{
    static const char *const names[] = { "a+b.any.test", "a b.any.test", "a\\b.any.test",
                                         "\"(;)@$%.any.test" };
    struct fixture *f = *state;
    struct word *w = word_new(f->arena);
    struct dns_wait wait = {
        .until = soon(), .answered = send_word, .user = w, .kind = DNS_NAME_ANY
    };
    struct dns_records got;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct dns_question *q = dns_ask(f->dns, str_of(names[i]), A, &wait);

        await_words(w, (int)i + 1);
        assert_int_equal(dns_answer_raw(q, f->arena, &got), RC_OK);
        assert_memory_equal(got.data[0].p, "\xc0\0\2\1", 4);
        dns_forget(&q);
        assert_int_equal(dns_raw(f->dns, f->arena, str_of(names[i]), A, soon(), &got),
                         RC_INVALID);
    }
}

/* Word comes once for each question, whatever becomes of it. */
static void test_ask_without_waiting(void **state)
{
    static const struct {
        const char *name;
        enum rc rc;
    } cases[] = {
        { "mx.test", RC_OK },      { "null.test", RC_OK },
        { "plain.test", RC_OK },   { "nowhere.test", RC_NOT_FOUND },
        { "fail.test", RC_RETRY }, { "silent.test", RC_TIMEOUT },
        { "a..b", RC_INVALID },    { "mx.test", RC_OK },
    };
    struct fixture *f = *state;
    struct word *w = word_new(f->arena);
    struct dns_question *q[ARRAY_LEN(cases)];
    struct dns_mx mx;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        q[i] = dns_ask(f->dns, str_of(cases[i].name), DNS_MX,
                       &(struct dns_wait){ .until = deadline_in_ms(
                                               cases[i].rc == RC_TIMEOUT ? 300 : WAIT_MS),
                                           .answered = send_word,
                                           .user = w });
    await_words(w, ARRAY_LEN(cases));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(dns_answer_mx(q[i], f->arena, &mx), cases[i].rc);
        dns_forget(&q[i]);
    }
    assert_int_equal(w->count, ARRAY_LEN(cases));
}

static struct dns_question *ask(struct fixture *f, const char *name, uint64_t asker,
                                struct word *w)
{
    struct dns_wait wait = {
        .until = soon(), .answered = send_word, .user = w, .asker = asker
    };

    return dns_ask(f->dns, str_of(name), DNS_MX, &wait);
}

/* Many wait while another is answered; who forgets one hears of it no more. */
static void test_many_questions_at_once(void **state)
{
    enum { MANY = 1000 };
    struct fixture *f = *state;
    struct word *w = word_new(f->arena), *late = word_new(f->arena);
    struct dns_options o = { .resolver = f->server.address,
                             .trust_anchor_file = "none",
                             .at_once = 1100 };
    struct dns_question *held[MANY], *forgotten;
    struct dns_mx mx;

    dns_free(&f->dns);
    assert_int_equal(dns_new(&o, NULL, &f->dns), RC_OK);
    forgotten = ask(f, "held-forgotten.test", 0, late);
    for (int i = 0; i < MANY; i++)
        held[i] = ask(f, arena_printf(f->arena, "held-%d.test", i), 0, w);
    assert_int_equal(dns_mx(f->dns, f->arena, S("mx.test"), soon(), &mx), RC_OK);
    assert_int_equal(w->count, 0);
    dns_forget(&forgotten);
    atomic_store(&f->server.is_open, true);
    await_words(w, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(dns_answer_mx(held[i], f->arena, &mx), RC_OK);
        assert_str(mx.host[0].name, "mx.test");
        dns_forget(&held[i]);
    }
    assert_int_equal(late->count, 0);
}

/* Who asks for silence again and again, and does not wait, leaves room for others. */
static void test_one_asker_among_others(void **state)
{
    enum { AT_ONCE = 100, SHARE = AT_ONCE / 5, MANY = 10 * AT_ONCE };
    struct fixture *f = *state;
    struct word *w = word_new(f->arena), *other = word_new(f->arena);
    struct dns_options o = { .resolver = f->server.address,
                             .trust_anchor_file = "none",
                             .at_once = AT_ONCE };
    struct deadline until = soon();
    struct dns_question *q;
    struct dns_mx mx;
    enum rc rc;

    dns_free(&f->dns);
    assert_int_equal(dns_new(&o, NULL, &f->dns), RC_OK);
    for (int i = 0; i < MANY; i++) {
        q = ask(f, arena_printf(f->arena, "held-%d.test", i), 7, w);
        assert_int_equal(w->count, i < SHARE ? 0 : i - SHARE + 1);
        if (i >= SHARE)
            assert_int_equal(dns_answer_mx(q, f->arena, &mx), RC_RETRY);
        dns_forget(&q);
    }
    q = ask(f, "mx.test", 8, other);
    await_words(other, 1);
    assert_int_equal(dns_answer_mx(q, f->arena, &mx), RC_OK);
    dns_forget(&q);
    atomic_store(&f->server.is_open, true); /* what it left behind ends: it may again */
    do {
        other = word_new(f->arena);
        q = ask(f, "mx.test", 7, other);
        await_words(other, 1);
        rc = dns_answer_mx(q, f->arena, &mx);
        dns_forget(&q);
    } while (rc != RC_OK && !deadline_passed(until));
    assert_int_equal(rc, RC_OK);
}

/* Whoever waits for an answer stops waiting, and nobody begins. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    struct deadline until = deadline_in_ms(WAIT_MS / 2);
    struct word *w = word_new(f->arena);
    struct dns_question *q;
    pthread_t thread;
    void *timed_out;

    assert_int_equal(pthread_create(&thread, NULL, ask_silent, f), 0);
    while (!atomic_load(&f->server.silent_asked))
        assert_false(deadline_passed(until));
    q = ask(f, "silent.test", 0, w);
    dns_stop(f->dns);
    await_words(w, 1);
    dns_forget(&q);
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
        TEST(test_names_of_any_bytes),
        TEST(test_ask_without_waiting),
        TEST(test_many_questions_at_once),
        TEST(test_one_asker_among_others),
        TEST(test_stop),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
