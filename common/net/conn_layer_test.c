/* conn_layer_test.c - layers on connections: what a session says passes through any pile
 * of them, and a layer that is pushed in the middle gets what belongs to it and no more.
 *
 * The layer of these tests makes two hexadecimal digits of each byte.  So it has all that
 * is hard about a compression: lengths change, half a byte may be there, output is kept
 * until it is flushed, and the end is a byte of its own, `.`.
 */
#include "net/conn_test.h"

#include "base/buf.h"
#include "base/log.h"
#include "net/layer.h"

enum { HEX_MAX_BYTES = 1 << 20, PIECE_BYTES = 1000, KEPT_BYTES = 64 * 1024 };

struct hex {
    struct layer below;
    struct buf up, down; /* digits: from below, and not flushed yet */
    int64_t next_ms;
};

static _Atomic int hexes; /* that live */
static _Atomic int hex_max_kept;
static _Atomic bool hex_is_stuck; /* nothing leaves any of them */
static _Atomic int hex_pause_ms;  /* or a byte after each of these */

static void *hex_open(struct layer below, void *from, str_t early)
{
    struct hex *h = mem_alloc(sizeof(*h));

    (void)from;
    h->below = below;
    buf_init(&h->up, HEX_MAX_BYTES);
    buf_init(&h->down, HEX_MAX_BYTES);
    assert_int_equal(buf_put(&h->up, early), RC_OK);
    atomic_fetch_add(&hexes, 1);
    return h;
}

static void hex_free(void *state)
{
    struct hex *h = state;

    buf_fini(&h->up);
    buf_fini(&h->down);
    mem_free(h);
    atomic_fetch_sub(&hexes, 1);
}

static enum layer_io hex_fill(struct hex *h)
{
    char piece[PIECE_BYTES];
    size_t got;
    enum layer_io io = layer_read(&h->below, piece, sizeof(piece), &got);

    assert_int_equal(buf_append(&h->up, piece, got), RC_OK);
    return io;
}

/* `!` first. */
static enum layer_io hex_greet(void *state)
{
    struct hex *h = state;
    enum layer_io io = LAYER_OK;

    while (h->up.n == 0 && io == LAYER_OK)
        io = hex_fill(h);
    if (io != LAYER_OK)
        return io;
    if (h->up.p[0] != '!')
        return LAYER_ERROR;
    buf_consume(&h->up, 1);
    return LAYER_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum layer_io hex_read(void *state, void *p, size_t n, size_t *got)
{
    struct hex *h = state;
    enum layer_io io = LAYER_OK;
    char *to = p;

    while (h->up.n < 2 && (h->up.n == 0 || h->up.p[0] != '.') && io == LAYER_OK)
        io = hex_fill(h);
    if (io != LAYER_OK)
        return io;
    if (h->up.p[0] == '.')
        return LAYER_CLOSED;
    while (*got < n && 2 * *got + 1 < h->up.n && h->up.p[2 * *got] != '.') {
        int high = digit(h->up.p[2 * *got]), low = digit(h->up.p[2 * *got + 1]);

        if (high < 0 || low < 0)
            return LAYER_ERROR;
        to[(*got)++] = (char)(high * 16 + low);
    }
    buf_consume(&h->up, 2 * *got);
    if (h->up.n == 0)
        buf_fini(&h->up);
    return LAYER_OK;
}

static enum layer_io hex_trickle(struct hex *h, size_t *put)
{
    enum layer_io io = LAYER_OK;

    if (h->down.n > 0 && clock_monotonic_ms() >= h->next_ms) {
        h->next_ms = clock_monotonic_ms() + atomic_load(&hex_pause_ms);
        io = layer_write(&h->below, h->down.p, 1, put);
        buf_consume(&h->down, *put);
    }
    return h->down.n > 0 && io == LAYER_OK ? LAYER_WANT_WRITE : io;
}

static enum layer_io hex_flush(void *state, size_t *put)
{
    struct hex *h = state;
    enum layer_io io = LAYER_OK;
    size_t n;

    if (atomic_load(&hex_is_stuck))
        return LAYER_WANT_WRITE;
    if (atomic_load(&hex_pause_ms) > 0)
        return hex_trickle(h, put);
    while (h->down.n > 0 && io == LAYER_OK) {
        io = layer_write(&h->below, h->down.p, h->down.n, &n);
        buf_consume(&h->down, n);
        *put += n;
    }
    if (h->down.n == 0)
        buf_fini(&h->down);
    return io;
}

static enum layer_io hex_write(void *state, const void *p, size_t n, size_t *put)
{
    struct hex *h = state;
    const unsigned char *from = p;
    enum layer_io io;
    size_t passed = 0;

    if (h->down.n >= KEPT_BYTES && (io = hex_flush(h, &passed)) != LAYER_OK)
        return io;
    for (; *put < n && *put < KEPT_BYTES; (*put)++)
        buf_printf(&h->down, "%02x", from[*put]);
    assert_false(h->down.full);
    if ((int)h->down.n > atomic_load(&hex_max_kept))
        atomic_store(&hex_max_kept, (int)h->down.n);
    return LAYER_OK;
}

static bool hex_has_pending(void *state)
{
    return ((struct hex *)state)->up.n > 0;
}

static void hex_end(void *state)
{
    size_t put = 0;

    if (hex_flush(state, &put) == LAYER_OK)
        (void)layer_write(&((struct hex *)state)->below, ".", 1, &put);
}

#define HEX                                                                              \
    .name = "hex", .takes_early = true, .open = hex_open, .free = hex_free,              \
    .read = hex_read, .write = hex_write, .flush = hex_flush,                            \
    .has_pending = hex_has_pending, .end = hex_end

static const struct layer_kind hex_layer = { HEX };
static const struct layer_kind greeted_hex_layer = { HEX, .handshake = hex_greet };

/* ---- the tests; clients write the digits by hand, or push the layer, too ---- */

static struct stream *dial_secure(struct fixture *f, const struct layer_kind *layer)
{
    struct stream *s;

    f->layer = layer;
    f->options.tls = f->server;
    listen_now(f);
    s = dial_tls(f);
    expect_line(s, "hello");
    return s;
}

static void end(struct fixture *f, struct stream *s)
{
    stream_close(&s);
    wait_for_count(&f->closed, 1);
    listener_free(&f->listener);
    assert_int_equal(atomic_load(&hexes), 0);
}

static void expect_bytes(struct stream *s, const char *bytes)
{
    char seen[200];
    size_t n = 0, got, all = strlen(bytes);

    while (n < all) {
        assert_int_equal(stream_read_some(s, seen + n, all - n, soon(), &got), RC_OK);
        n += got;
    }
    assert_memory_equal(seen, bytes, all);
}

static void push(struct stream *s)
{
    say(s, "LAYER\r\n");
    expect_line(s, "go");
    assert_int_equal(stream_push_layer(s, &hex_layer, NULL, soon()), RC_OK);
}

static void test_a_layer_on_tls(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "LAYER\r\n");
    expect_line(s, "go");
    wait_for_count(&f->layers, 1);
    say(s, "6f6e65"); /* "one", its line end, and "two" in pieces of half a byte */
    say(s, "0d0a7");
    say(s, "4776");
    expect_bytes(s, "6f6e650d0a");
    say(s, "f0d0a");
    expect_bytes(s, "74776f0d0a");
    end(f, s);
}

static void test_a_layer_on_a_bare_socket(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->layer = &hex_layer;
    listen_now(f);
    s = dial(f);
    expect_line(s, "hello");
    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "6f6e650d0a");
    expect_bytes(s, "6f6e650d0a");
    end(f, s);
}

/* Below a session that pushed, the way is no other than before. */
static void test_a_pile(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    for (int i = 1; i <= 3; i++) {
        push(s);
        wait_for_count(&f->layers, i);
        say(s, "one\r\n");
        expect_line(s, "one");
    }
    assert_string_equal(stream_tls_version(s), "TLSv1.3");
    end(f, s);
}

/* What came with the command that pushes, decrypted and buffered, is the layer's first
 * input and no command.  Of TLS the opposite is true: conn_tls_test.c. */
static void test_early_input_belongs_to_the_layer(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "before\r\nLAYER\r\n6f6e650d0a51");
    expect_line(s, "before");
    expect_line(s, "go");
    expect_bytes(s, "6f6e650d0a");
    say(s, "5549540d0a");
    expect_bytes(s, "515549540d0a."); /* QUIT, and the end of the layer */
    expect_closed(s);
    end(f, s);
}

/* It may also wait inside of OpenSSL, because there is no room for it in conn_in. */
static void test_early_input_that_tls_holds(void **state)
{
    enum { LINES = 2000 };
    static char said[20 + LINES * 10];
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.in_max_bytes = 100;
    s = dial_secure(f, &hex_layer);
    memcpy(said, "LAYER\r\n", 7);
    for (int i = 0; i < LINES; i++)
        memcpy(said + 7 + i * 10, "6f6e650d0a", 11);
    say(s, said);
    expect_line(s, "go");
    for (int i = 0; i < LINES; i++)
        expect_bytes(s, "6f6e650d0a");
    end(f, s);
}

/* All that was said before goes without the layer, however long it takes. */
static void test_output_before_the_layer(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);
    static char piece[64 * 1024];
    size_t got, all = 0;

    say(s, "BIG\r\nLAYER\r\n6f6e650d0a");
    while (all < BIG_BYTES) {
        size_t room = BIG_BYTES - all < sizeof(piece) ? BIG_BYTES - all : sizeof(piece);

        assert_int_equal(stream_read_some(s, piece, room, soon(), &got), RC_OK);
        for (size_t i = 0; i < got; i++)
            assert_int_equal(piece[i], 'x');
        all += got;
    }
    expect_line(s, "");
    expect_line(s, "go");
    expect_bytes(s, "6f6e650d0a");
    end(f, s);
}

static void test_large_output_through_a_layer(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);
    static char piece[64 * 1024];
    size_t got, all = 0;

    atomic_store(&hex_max_kept, 0);
    push(s);
    say(s, "BIG\r\nafter\r\n");
    while (all < BIG_BYTES) {
        size_t room = BIG_BYTES - all < sizeof(piece) ? BIG_BYTES - all : sizeof(piece);

        assert_int_equal(stream_read_some(s, piece, room, soon(), &got), RC_OK);
        all += got;
    }
    expect_line(s, "");
    expect_line(s, "after");
    wait_for_count(&f->drained, 1);
    assert_in_range(atomic_load(&hex_max_kept), 1, 4 * KEPT_BYTES);
    end(f, s);
}

static void test_peer_that_does_not_read_is_cut(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.write_stall_ms = 50;
    s = dial_secure(f, &hex_layer);
    push(s);
    say(s, "BIG\r\n");
    wait_for_count(&f->closed, 1); /* before this end closes */
    end(f, s);
}

/* Also when all that is left is what the layer keeps, which is not written before that.
 */
static void test_what_a_layer_keeps_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.write_stall_ms = 50;
    s = dial_secure(f, &hex_layer);
    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "6f6e650d0a");
    expect_bytes(s, "6f6e650d0a");
    atomic_store(&hex_is_stuck, true);
    say(s, "74776f0d0a");
    expect_closed(s);
    atomic_store(&hex_is_stuck, false);
    assert_int_equal(atomic_load(&f->drained), 0);
    end(f, s);
}

/* A peer that takes little, but takes it, is not cut: 20 digits need longer than is
 * allowed for nothing. */
static void test_what_a_layer_keeps_may_go_slowly(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.write_stall_ms = 1000;
    s = dial_secure(f, &hex_layer);
    say(s, "LAYER\r\n");
    expect_line(s, "go");
    atomic_store(&hex_pause_ms, 100);
    say(s, "746f6f206c6174650d0a");
    expect_bytes(s, "746f6f206c6174650d0a");
    atomic_store(&hex_pause_ms, 0);
    wait_for_count(&f->drained, 1);
    end(f, s);
}

/* One goodbye after the other, from the top. */
static void test_the_end_of_a_layer_comes_before_that_of_tls(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "515549540d0a");
    expect_bytes(s, "515549540d0a.");
    expect_closed(s); /* in order: a bare end of the socket would be an error here */
    assert_string_equal(stream_failure(s), "the peer closed the connection");
    end(f, s);
}

static void test_the_end_of_a_pile(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "4c415945520d0a"); /* LAYER */
    expect_bytes(s, "676f0d0a");
    say(s, "353135353439353430643061");             /* QUIT */
    expect_bytes(s, "3531353534393534306430612e."); /* QUIT., and . */
    expect_closed(s);
    end(f, s);
}

static void test_a_peer_that_ends_the_layer(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "6f6e650d0a.");
    expect_bytes(s, "6f6e650d0a.");
    expect_closed(s);
    end(f, s);
}

static void test_what_is_no_byte_of_the_layer(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "LAYER\r\n");
    expect_line(s, "go");
    say(s, "no digits\r\n");
    expect_closed(s);
    end(f, s);
}

static void test_a_handshake_of_the_layer(void **state)
{
    static const struct {
        const char *first, *then; /* then: after the server has said "go" */
        bool ok;
    } cases[] = {
        { "LAYER\r\n", "!6f6e650d0a", true }, { "LAYER\r\n!", "6f6e650d0a", true },
        { "LAYER\r\n!6f6e650d0a", "", true }, { "LAYER\r\n6f6e650d0a", "", false },
        { "LAYER\r\n", "?", false },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stream *s = dial_secure(f, &greeted_hex_layer);

        say(s, cases[i].first);
        expect_line(s, "go");
        say(s, cases[i].then);
        if (cases[i].ok)
            expect_bytes(s, "6f6e650d0a");
        else
            expect_closed(s);
        stream_close(&s);
        listener_free(&f->listener);
        assert_int_equal(atomic_load(&hexes), 0);
    }
}

static void test_a_handshake_has_a_deadline(void **state)
{
    struct fixture *f = *state;
    struct stream *s;

    f->options.conn.handshake_ms = 200;
    s = dial_secure(f, &greeted_hex_layer);
    say(s, "LAYER\r\n");
    expect_line(s, "go");
    expect_closed(s);
    assert_int_equal(atomic_load(&f->layers), 0);
    end(f, s);
}

/* The connection ends while the layer waits for the last bytes without it. */
static void test_an_end_before_the_layer_is_there(void **state)
{
    struct fixture *f = *state;
    struct stream *s = dial_secure(f, &hex_layer);

    say(s, "BIG\r\nLAYER\r\n6f6e650d0a");
    wait_for_count(&hexes, 1);
    end(f, s);
    assert_int_equal(atomic_load(&f->layers), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_layer_on_tls),
        TEST(test_a_layer_on_a_bare_socket),
        TEST(test_a_pile),
        TEST(test_early_input_belongs_to_the_layer),
        TEST(test_early_input_that_tls_holds),
        TEST(test_output_before_the_layer),
        TEST(test_large_output_through_a_layer),
        TEST(test_peer_that_does_not_read_is_cut),
        TEST(test_what_a_layer_keeps_is_not_written),
        TEST(test_what_a_layer_keeps_may_go_slowly),
        TEST(test_the_end_of_a_layer_comes_before_that_of_tls),
        TEST(test_the_end_of_a_pile),
        TEST(test_a_peer_that_ends_the_layer),
        TEST(test_what_is_no_byte_of_the_layer),
        TEST(test_a_handshake_of_the_layer),
        TEST(test_a_handshake_has_a_deadline),
        TEST(test_an_end_before_the_layer_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
