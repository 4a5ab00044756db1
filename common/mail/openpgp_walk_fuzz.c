/* openpgp_walk_fuzz.c - armor and packets agree, and one byte more or less spoils them.
 */
#include "mail/openpgp_walk.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static str_t armor(struct arena *a, str_t data)
{
    struct buf *b = arena_buf(a, data.n * 2 + 200);

    buf_puts(b, "-----BEGIN PGP MESSAGE-----\r\n\r\n");
    crypto_base64_encode(b, data);
    buf_puts(b, "\r\n-----END PGP MESSAGE-----\r\n");
    return buf_str(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    bool packets = openpgp_walk_packets(text);

    CHECK(openpgp_walk_armored(armor(a, text), false) == packets);
    if (packets) {
        struct buf *longer = arena_buf(a, size + 1);

        buf_put(longer, text);
        buf_putc(longer, 0);
        CHECK(!openpgp_walk_packets(str_head(text, size - 1)));
        CHECK(!openpgp_walk_packets(buf_str(longer)));
    }
    if (openpgp_walk_armored(text, false))
        CHECK(openpgp_walk_armored(text, true));
    arena_free(&a);
    return 0;
}
