/* openpgp_walk_fuzz.c - the same verdict as by the rules read word by word, over the
 * whole text at once; and wherever it is cut.
 */
#include "mail/openpgp_walk.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool are_encrypted(str_t packets)
{
    struct openpgp_packets p = { 0 };

    openpgp_packets_feed(&p, packets);
    return p.state == OPENPGP_PACKETS_AT_END;
}

static str_t without_line_ends(struct arena *a, str_t s)
{
    struct buf *b = arena_buf(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' && s.p[i] != '\n')
            buf_putc(b, s.p[i]);
    return buf_str(b);
}

static bool by_the_rules(struct arena *a, str_t text, bool tolerate_version)
{
    static const str_t begin = STR("-----BEGIN PGP MESSAGE-----\r\n");
    static const str_t end = STR("-----END PGP MESSAGE-----");
    str_t packets;
    size_t at;

    if (!str_starts(text, begin))
        return false;
    text = str_skip(text, begin.n);
    while (text.n >= 2 && str_eq(str_skip(text, text.n - 2), S("\r\n")))
        text.n -= 2;
    if (text.n < end.n || !str_eq(str_skip(text, text.n - end.n), end))
        return false;
    text.n -= end.n;
    if (str_starts(text, S("Version: "))) {
        at = str_find(text, S("\r\n"));
        if (!tolerate_version || at == SIZE_MAX)
            return false;
        text = str_skip(text, at + 2);
    }
    for (at = text.n; at > 0; at--)
        if (text.p[at - 1] == '=')
            break;
    if (at > 0)
        text.n = at - 1;
    return crypto_base64_decode(a, without_line_ends(a, text), &packets) == RC_OK &&
           are_encrypted(packets);
}

static bool in_pieces(str_t text, bool tolerate_version, size_t seed)
{
    struct openpgp_walk w;

    openpgp_walk_begin(&w, tolerate_version);
    while (text.n > 0) {
        seed = seed * 31 + 7;
        openpgp_walk_feed(&w, str_head(text, 1 + seed % 9));
        text = str_skip(text, 1 + seed % 9);
    }
    return openpgp_walk_end(&w);
}

static void check_armor(struct arena *a, str_t text)
{
    for (int version = 0; version < 2; version++) {
        bool verdict = openpgp_walk_armored(text, version);

        CHECK(verdict == by_the_rules(a, text, version));
        CHECK(verdict == in_pieces(text, version, text.n));
    }
}

/* The input as packets, in armor. */
static void check_packets(struct arena *a, str_t packets)
{
    struct buf *b = arena_buf(a, packets.n * 2 + 200);
    bool verdict = are_encrypted(packets);

    buf_puts(b, "-----BEGIN PGP MESSAGE-----\r\n\r\n");
    crypto_base64_encode(b, packets);
    buf_puts(b, "\r\n=twTO\r\n-----END PGP MESSAGE-----\r\n");
    CHECK(openpgp_walk_armored(buf_str(b), false) == verdict);
    if (!verdict)
        return;
    buf_clear(b);
    buf_put(b, packets);
    buf_putc(b, 0);
    CHECK(!are_encrypted(str_head(packets, packets.n - 1)));
    CHECK(!are_encrypted(buf_str(b)));
}

/* The input between BEGIN and END, where most of the rules are. */
static void check_inside(struct arena *a, str_t text)
{
    struct buf *b = arena_buf(a, text.n + 200);

    buf_puts(b, "-----BEGIN PGP MESSAGE-----\r\n");
    buf_put(b, text);
    buf_puts(b, "-----END PGP MESSAGE-----\r\n");
    check_armor(a, buf_str(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();

    check_armor(a, text);
    check_inside(a, text);
    check_packets(a, text);
    arena_free(&a);
    return 0;
}
