/* dkim_watch_test.c - wherever the pieces of a message end, the same is seen of it. */
#include "dkim_watch.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/header.h"
#include "net/limit.h"
#include "net/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SMALL_BYTES = 64 };

#define SIGNATURE(canon)                                                                 \
    "DKIM-Signature: v=1; a=ed25519-sha256; d=a.test; s=s; c=" canon ";\r\n"             \
    " h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=YWJj\r\n"

static struct spool_room room = { .small_bytes = SMALL_BYTES };
static struct arena *arena;
static struct spool *spool;
static struct dkim_watch *watch;

static int setup(void **state)
{
    (void)state;
    room.chunks = limit_new(8, 8);
    arena = arena_new();
    spool = spool_new(&room, 0);
    watch = dkim_watch_new(arena, spool);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkim_watch_free(&watch);
    assert_null(watch);
    spool_free(&spool);
    arena_free(&arena);
    limit_free(&room.chunks);
    return 0;
}

static void again(void **state)
{
    teardown(state);
    setup(state);
}

static void feed(str_t piece)
{
    dkim_watch_append(watch, piece.p, piece.n);
}

static void expect(str_t message, size_t header_bytes, str_t body, unsigned canons)
{
    str_t stored;

    assert_int_equal(spool_finish(spool, &stored), RC_OK);
    assert_true(str_eq(stored, message));
    assert_int_equal(watch->count, canons == 0 ? 0 : 1);
    assert_true(str_eq(watch->header, str_head(message, canons == 0 ? 0 : header_bytes)));
    for (unsigned i = 0; i < DKIM_CANON_COUNT; i++) {
        struct dkim_body whole;

        dkim_body_init(&whole, 1U << i);
        dkim_body_feed(&whole, body);
        dkim_body_end(&whole);
        assert_int_equal(
            dkim_body_matches(&watch->body, (enum dkim_canon)i,
                              str_n((const char *)dkim_body_get(&whole, i), 32)),
            (canons & 1U << i) != 0);
        dkim_body_fini(&whole);
    }
}

static const struct {
    str_t message;
    size_t header_bytes; /* 0: what stands before the body */
    str_t body;
    unsigned canons;
} cases[] = {
    { STR("From: a@a.test\r\n" SIGNATURE(
          "relaxed/relaxed") "\r\nHello  you\r\n\r\n.x\r\n"),
      0, STR("Hello  you\r\n\r\n.x\r\n"), 1U << DKIM_CANON_RELAXED },
    { STR("From: a@a.test\r\n" SIGNATURE("relaxed/simple") "\r\n\r\nx \r\n"), 0,
      STR("\r\nx \r\n"), 1U << DKIM_CANON_SIMPLE },
    { STR(SIGNATURE("simple/simple") "\r\n"), 0, STR(""), 1U << DKIM_CANON_SIMPLE },
    { STR(SIGNATURE("simple/simple")), sizeof(SIGNATURE("simple/simple")) - 1, STR(""),
      1U << DKIM_CANON_SIMPLE },
    { STR("From: a@a.test\r\n\r\n" SIGNATURE("simple/simple") "\r\nx\r\n"), 0, STR(""),
      0 },
    { STR("\r\n" SIGNATURE("simple/simple") "\r\nx\r\n"), 0, STR(""), 0 },
    { STR(""), 0, STR(""), 0 },
};

static void at_every_edge(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t m = cases[i].message;
        size_t header =
            cases[i].header_bytes > 0 ? cases[i].header_bytes : m.n - cases[i].body.n;

        for (size_t cut = 0; cut <= m.n; cut++) {
            again(state);
            feed(str_head(m, cut));
            feed(str_skip(m, cut));
            dkim_watch_end(watch);
            expect(m, header, cases[i].body, cases[i].canons);
        }
        again(state);
        for (size_t at = 0; at < m.n; at++)
            feed(str_n(m.p + at, 1));
        dkim_watch_end(watch);
        expect(m, header, cases[i].body, cases[i].canons);
    }
}

/* One that ends before its end leaves nothing behind, which the sanitizer sees. */
static void a_message_that_breaks_off(void **state)
{
    (void)state;
    feed(S(SIGNATURE("simple/relaxed") "\r\nhel"));
    assert_int_equal(watch->count, 1);
}

static void feed_long_header(size_t bytes)
{
    struct buf *header = arena_buf(arena, 2 * HEADER_MAX_BYTES);

    buf_puts(header, SIGNATURE("simple/simple") "X: ");
    while (header->n < bytes - 4)
        buf_putc(header, 'x');
    buf_puts(header, "\r\n\r\n");
    feed(buf_str(header));
    feed(S("body\r\n"));
    dkim_watch_end(watch);
}

static void of_a_header_that_is_too_long_nothing_is_kept(void **state)
{
    feed_long_header(HEADER_MAX_BYTES);
    assert_int_equal(watch->count, 1);
    again(state);
    feed_long_header(HEADER_MAX_BYTES + 1);
    assert_int_equal(watch->count, 0);
    assert_int_equal(watch->header.n, 0);
}

/* Whoever sends a header full of signatures has no more of our memory than with others.
 */
static void what_is_no_signature_takes_no_room(void **state)
{
    struct buf *header = arena_buf(arena, 2 * HEADER_MAX_BYTES);
    size_t before;

    (void)state;
    while (header->n < HEADER_MAX_BYTES - 32768) {
        buf_puts(header, SIGNATURE("simple/simple"));
        header->n -= 2;
        for (int i = 0; i < 7000; i++)
            buf_puts(header, "xxxx");
        buf_puts(header, "\r\n");
    }
    buf_puts(header, "\r\n");
    before = arena_used(arena);
    feed(buf_str(header));
    assert_true(watch->count > 5);
    assert_true(arena_used(arena) - before < HEADER_MAX_BYTES + 65536);
}

/* The message is refused for want of room, later. */
static void without_room_nothing_is_seen(void **state)
{
    str_t message;

    (void)state;
    while (limit_take_total(room.chunks) == RC_OK)
        ;
    feed(S("From: a@a.test\r\n" SIGNATURE("simple/simple") "\r\nbody\r\n"));
    dkim_watch_end(watch);
    assert_int_equal(watch->count, 0);
    assert_int_equal(spool_finish(spool, &message), RC_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_every_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_that_breaks_off, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_header_that_is_too_long_nothing_is_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_signature_takes_no_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_room_nothing_is_seen, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
