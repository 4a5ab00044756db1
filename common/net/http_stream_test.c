/* http_stream_test.c - a body between two threads: room, ends, answers. */
#include "net/http_stream.h"

#include "base/log.h"
#include "net/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { ROOM = 8, DISCARD = 16, SOON_MS = 20, LONG_MS = 30 * 1000 };

struct connection {
    atomic_int slept, woken, filled;
    struct http_exchange x;
    struct http_stream *stream;
};

static void fall_asleep(void *connection)
{
    ((struct connection *)connection)->slept++;
}

static void wake(void *connection)
{
    ((struct connection *)connection)->woken++;
}

static void fill(struct http_exchange *x, void *user)
{
    struct connection *c = user;

    assert_ptr_equal(x, &c->x);
    c->filled++;
}

static void begin(struct connection *c)
{
    struct http_stream_options o = { .buffer_bytes = ROOM, .discard_bytes = DISCARD };
    struct http_stream_valve valve = { fall_asleep, wake, c, &c->x };

    memset(c, 0, sizeof(*c));
    c->stream = http_stream_new(&o, &valve);
}

static void end(struct connection *c)
{
    struct http_stream *other = c->stream;

    http_stream_drop(&c->stream);
    assert_null(c->stream);
    http_stream_drop(&other);
}

static size_t put(struct connection *c, const char *text)
{
    size_t n;

    assert_int_equal(http_stream_put(c->stream, str_of(text), &n), RC_OK);
    return n;
}

static void expect(struct connection *c, enum rc rc, const char *text)
{
    str_t piece;

    assert_int_equal(http_stream_read(c->stream, deadline_in_ms(SOON_MS), &piece), rc);
    assert_int_equal(piece.n, strlen(text));
    if (piece.n > 0)
        assert_memory_equal(piece.p, text, piece.n);
}

static void test_room_and_end(void **state)
{
    struct connection c;

    (void)state;
    begin(&c);
    expect(&c, RC_TIMEOUT, "");
    assert_int_equal(put(&c, "abc"), 3);
    assert_int_equal(http_stream_wait(c.stream, 4, deadline_in_ms(SOON_MS)), RC_TIMEOUT);
    assert_int_equal(put(&c, "defghijk"), 5);
    assert_int_equal(c.slept, 1);
    assert_int_equal(http_stream_wait(c.stream, 1000, deadline_in_ms(SOON_MS)), RC_OK);
    assert_int_equal(c.woken, 0);
    expect(&c, RC_OK, "abcdefgh");
    assert_int_equal(c.woken, 1);
    assert_int_equal(put(&c, "ijk"), 3);
    assert_false(http_stream_end(c.stream));
    assert_int_equal(c.slept, 2);
    assert_int_equal(http_stream_wait(c.stream, 1000, deadline_in_ms(SOON_MS)), RC_OK);
    expect(&c, RC_OK, "ijk");
    expect(&c, RC_NOT_FOUND, "");
    assert_int_equal(c.woken, 1);
    http_stream_answer(c.stream, fill, &c);
    assert_int_equal(c.filled, 1);
    assert_int_equal(c.woken, 2);
    assert_true(http_stream_end(c.stream));
    end(&c);
}

static void test_an_early_answer(void **state)
{
    struct connection c;
    size_t n;

    (void)state;
    begin(&c);
    assert_int_equal(put(&c, "abcdefghij"), 8);
    http_stream_answer(c.stream, fill, &c);
    assert_int_equal(c.woken, 1);
    assert_int_equal(put(&c, "0123456789abcdef"), DISCARD);
    assert_int_equal(http_stream_put(c.stream, S("g"), &n), RC_LIMIT);
    assert_true(http_stream_end(c.stream));
    end(&c);
}

static void test_gone(void **state)
{
    struct connection c;

    (void)state;
    begin(&c);
    assert_int_equal(put(&c, "abcdefghij"), 8);
    http_stream_gone(c.stream);
    expect(&c, RC_OK, "abcdefgh");
    expect(&c, RC_CLOSED, "");
    http_stream_answer(c.stream, fill, &c);
    assert_int_equal(c.filled, 0);
    assert_int_equal(c.woken, 0);
    end(&c);
    /* Whole before: that counts. */
    begin(&c);
    assert_false(http_stream_end(c.stream));
    http_stream_gone(c.stream);
    expect(&c, RC_NOT_FOUND, "");
    end(&c);
}

static void *send_pieces(void *arg)
{
    struct connection *c = arg;
    const char *text = "the quick brown fox jumps over the lazy dog";
    str_t rest = str_of(text);
    size_t n;

    while (rest.n > 0) {
        int slept = c->slept;

        CHECK(http_stream_put(c->stream, rest, &n) == RC_OK);
        rest = str_skip(rest, n);
        while (c->slept > slept && c->woken < c->slept)
            continue;
    }
    http_stream_gone(c->stream);
    return NULL;
}

static void test_two_threads(void **state)
{
    struct connection c;
    size_t got = 0;
    str_t piece;
    pthread_t thread;

    (void)state;
    begin(&c);
    assert_int_equal(pthread_create(&thread, NULL, send_pieces, &c), 0);
    while (http_stream_read(c.stream, deadline_in_ms(LONG_MS), &piece) == RC_OK)
        got += piece.n;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(got, 43);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_and_end),
        cmocka_unit_test(test_an_early_answer),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
