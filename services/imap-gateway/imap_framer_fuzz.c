/* imap_framer_fuzz.c - a stream in two arbitrary pieces gives the same frames as whole.
 */
#include "imap_framer.h"

#include "base/log.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 4096 };

static enum imap_frame run(const char *p, size_t first, size_t n, size_t *used)
{
    struct imap_framer f;
    size_t sizes[] = { first, n };
    enum imap_frame frame = FRAME_MORE;

    imap_framer_init(&f, LIMIT);
    *used = 0;
    for (size_t i = 0; i < 2 && frame == FRAME_MORE; i++) {
        frame = imap_framer_feed(&f, p, sizes[i], used);
        while (frame == FRAME_LITERAL && imap_framer_literal_fits(&f)) {
            imap_framer_accept(&f);
            frame = imap_framer_feed(&f, p, sizes[i], used);
        }
    }
    CHECK(*used <= n);
    return frame;
}

/* Returns how much a refused command takes; SIZE_MAX: it has not ended. */
static size_t skip(const char *p, size_t first, size_t n, bool *huge)
{
    struct imap_framer f;
    size_t sizes[] = { first, n };
    size_t at = 0;
    bool done = false;

    imap_framer_init(&f, LIMIT);
    imap_framer_skip_from(&f, n % 7);
    for (size_t i = 0; i < 2 && !done; i++) {
        at += imap_framer_skip(&f, p + at, sizes[i] - at, &done);
        CHECK(at <= sizes[i]);
    }
    *huge = f.literal > UINT32_MAX;
    return done ? at : SIZE_MAX;
}

/* Only so many digits that no caller goes on are understood in two ways. */
static void try_skip(const char *p, size_t first, size_t n)
{
    bool huge_whole, huge_split;
    size_t whole = skip(p, n, n, &huge_whole), split = skip(p, first, n, &huge_split);

    CHECK(whole == split || huge_whole || huge_split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    size_t whole_used, split_used;
    enum imap_frame whole, split;

    if (size == 0)
        return 0;
    whole = run(p + 1, size - 1, size - 1, &whole_used);
    split = run(p + 1, data[0] < size - 1 ? data[0] : size - 1, size - 1, &split_used);
    try_skip(p + 1, data[0] < size - 1 ? data[0] : size - 1, size - 1);
    CHECK(whole == split || whole == FRAME_TOO_LONG || split == FRAME_TOO_LONG);
    CHECK(whole != FRAME_COMMAND || split != FRAME_COMMAND || whole_used == split_used);
    return 0;
}
