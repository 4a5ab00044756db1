/* smtp_data_fuzz.c - cutting the stream changes nothing, what is accepted is clean, and
 * what we send is what we would accept.
 */
#include "smtp/smtp_data.h"

#include "base/buf.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 4096, MAX_LINE = 100 };

static void collect(void *context, const char *p, size_t n)
{
    CHECK(buf_append(context, p, n) == RC_OK);
}

static void ignore(void *context, const char *p, size_t n)
{
    (void)context;
    (void)p;
    (void)n;
}

static bool feed(struct smtp_data *d, str_t in, size_t piece, size_t *used,
                 struct buf *out)
{
    bool ended = false;

    *used = 0;
    smtp_data_init(d, MAX_BYTES, MAX_LINE);
    while (*used < in.n && !ended) {
        size_t n;

        ended = smtp_data_feed(d, str_head(str_skip(in, *used), piece), &n, collect, out);
        *used += n;
    }
    return ended;
}

static void compare(str_t in, size_t piece, struct buf *whole, struct buf *pieces)
{
    struct smtp_data d, e;
    size_t used, used_pieces;
    bool ended = feed(&d, in, in.n, &used, whole);

    CHECK(feed(&e, in, piece, &used_pieces, pieces) == ended && used == used_pieces);
    CHECK(d.faults == e.faults && d.bytes == e.bytes);
    if (d.faults == 0)
        CHECK(str_eq(buf_str(whole), buf_str(pieces)) && d.bytes == whole->n);
    if (ended)
        CHECK(used >= 3 && str_eq(str_n(in.p + used - 3, 3), S(".\r\n")));
}

static void send_and_receive(str_t message, size_t cut, struct buf *wire, struct buf *got)
{
    struct smtp_data_encoder e;
    struct smtp_data d;
    size_t used = 0;

    smtp_data_encoder_init(&e);
    smtp_data_encode(&e, str_head(message, cut), collect, wire);
    smtp_data_encode(&e, str_skip(message, cut), collect, wire);
    smtp_data_encode_end(&e, collect, wire);
    smtp_data_init(&d, UINT64_MAX, SIZE_MAX);
    CHECK(smtp_data_feed(&d, buf_str(wire), &used, collect, got));
    CHECK(used == wire->n && d.faults == 0);
}

/* In chunks nothing is taken away: what is accepted is what came, with its last line
 * ended, and it is accepted in DATA alike. */
static void compare_chunks(str_t in, size_t piece, struct buf *got, struct buf *wire)
{
    struct smtp_data_encoder e;
    struct smtp_data d;
    size_t used;

    smtp_data_init_chunked(&d, MAX_BYTES, MAX_LINE);
    for (size_t at = 0; at < in.n; at += used)
        CHECK(
            !smtp_data_feed(&d, str_head(str_skip(in, at), piece), &used, collect, got));
    smtp_data_finish_chunks(&d, collect, got);
    if (d.faults != 0)
        return;
    CHECK(d.bytes == got->n && str_starts(buf_str(got), in) && got->n <= in.n + 2);
    CHECK(got->n == 0 || str_eq(str_n(got->p + got->n - 2, 2), S("\r\n")));
    smtp_data_encoder_init(&e);
    smtp_data_encode(&e, buf_str(got), collect, wire);
    smtp_data_encode_end(&e, collect, wire);
    smtp_data_init(&d, MAX_BYTES, MAX_LINE);
    CHECK(smtp_data_feed(&d, buf_str(wire), &used, ignore, NULL) && used == wire->n);
    CHECK(d.faults == 0 && d.bytes == got->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf a, b;

    if (size == 0)
        return 0;
    buf_init(&a, 1 << 22);
    buf_init(&b, 1 << 22);
    compare(str_n((const char *)data + 1, size - 1), data[0] % 8 + 1, &a, &b);
    buf_clear(&a);
    buf_clear(&b);
    send_and_receive(str_n((const char *)data + 1, size - 1), data[0], &a, &b);
    buf_clear(&a);
    buf_clear(&b);
    compare_chunks(str_n((const char *)data + 1, size - 1), data[0] % 8 + 1, &a, &b);
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
