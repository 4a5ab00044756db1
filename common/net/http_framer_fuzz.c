/* http_framer_fuzz.c - the server sees the same however it arrives, and what it sees is
 * understood the same way once more.
 */
#include "net/http_framer.h"

#include "base/buf.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t in = str_n((const char *)data, size);
    struct http_framer f = { 0 }, again = { 0 };
    struct buf whole, pieces, twice;
    size_t used = 0, all;

    buf_init(&whole, 2 * size + 1024);
    buf_init(&pieces, 2 * size + 1024);
    buf_init(&twice, 4 * size + 4096);
    all = http_framer_feed(&f, in, &whole);
    CHECK(all <= size);
    for (size_t n = 1; n <= size; n++)
        used += http_framer_feed(&again, str_n(in.p + used, n - used), &pieces);
    CHECK(used == all && again.state == f.state && !whole.full);
    CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
    if (f.state != HTTP_FRAMER_OVER) {
        again = (struct http_framer){ 0 };
        CHECK(http_framer_feed(&again, buf_str(&whole), &twice) == whole.n);
        CHECK(again.state == f.state && str_eq(buf_str(&whole), buf_str(&twice)));
    }
    buf_fini(&whole);
    buf_fini(&pieces);
    buf_fini(&twice);
    return 0;
}
