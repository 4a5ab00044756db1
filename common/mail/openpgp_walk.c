/* openpgp_walk.c - armor, strict base64 and packets, one after the other.
 *
 * Nearly all of a text are lines of digits within one packet's body.  Those are only
 * looked at, not decoded; that is several times faster.
 */
#include "mail/openpgp_walk.h"

#include "base/crypto.h"

static const str_t begin_line = STR("-----BEGIN PGP MESSAGE-----\r\n");
static const str_t version = STR("Version: ");
static const str_t end_line = STR("-----END PGP MESSAGE-----");

enum { HYPHENS = 5 }; /* with which end_line begins and ends */

static void break_off(struct openpgp_walk *w)
{
    w->state = OPENPGP_WALK_BROKEN;
}

/* ---- base64 ---- */

static void put_bytes(struct openpgp_walk *w, uint32_t bits, size_t n)
{
    const char bytes[] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };

    openpgp_packets_feed(&w->packets, str_n(bytes, n));
}

static void put_digit(struct openpgp_walk *w, int digit)
{
    w->bits = w->bits << 6 | (uint32_t)digit;
    if (++w->digits < 4)
        return;
    put_bytes(w, w->bits, 3);
    w->bits = w->digits = 0;
}

static size_t count_digits(str_t s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;

    while (s.n - i >= 8 &&
           (crypto_base64_digit(p[i]) | crypto_base64_digit(p[i + 1]) |
            crypto_base64_digit(p[i + 2]) | crypto_base64_digit(p[i + 3]) |
            crypto_base64_digit(p[i + 4]) | crypto_base64_digit(p[i + 5]) |
            crypto_base64_digit(p[i + 6]) | crypto_base64_digit(p[i + 7])) >= 0)
        i += 8;
    while (i < s.n && crypto_base64_digit(p[i]) >= 0)
        i++;
    return i;
}

/* Digits at the beginning of s; returns how many there are. */
static size_t take_digits(struct openpgp_walk *w, str_t s)
{
    size_t n = count_digits(s), i = 0;

    while (i < n) {
        uint64_t groups = openpgp_packets_unread(&w->packets) / 3;

        if (groups > (n - i) / 4)
            groups = (n - i) / 4;
        if (w->digits == 0 && groups > 0) {
            openpgp_packets_skip(&w->packets, groups * 3);
            i += (size_t)groups * 4;
        } else {
            put_digit(w, crypto_base64_digit((unsigned char)s.p[i++]));
        }
    }
    return n;
}

/* The last group, shortened by its pads, which are all "=" but the checksum's.  Bits that
 * no byte uses must be zero. */
static bool finish_base64(struct openpgp_walk *w)
{
    unsigned pads = w->equals > 0 ? w->equals - 1 : 0;
    uint32_t bits;

    if (w->digits == 0 || pads > 2 || w->digits + pads != 4)
        return w->digits == 0 && pads == 0;
    bits = w->bits << 6 * pads;
    if ((bits & (pads == 2 ? 0xffff : 0xff)) != 0)
        return false;
    put_bytes(w, bits, 3 - pads);
    return true;
}

/* ---- armor ---- */

/* The next character of a literal; true when it is complete. */
static bool match(struct openpgp_walk *w, str_t literal, char c)
{
    if (literal.p[w->matched] != c) {
        break_off(w);
        return false;
    }
    return ++w->matched == literal.n;
}

static void to_data(struct openpgp_walk *w)
{
    w->state = OPENPGP_WALK_DATA;
    w->matched = 0;
}

/* What looked like "Version: " and was not, was data. */
static void take_first(struct openpgp_walk *w, char c)
{
    size_t n = w->matched;

    if (version.p[n] == c) {
        if (++w->matched == version.n)
            w->state = w->tolerate_version ? OPENPGP_WALK_VERSION : OPENPGP_WALK_BROKEN;
        return;
    }
    to_data(w);
    openpgp_walk_feed(w, str_head(version, n));
    openpgp_walk_feed(w, str_n(&c, 1));
}

static void take_version(struct openpgp_walk *w, char c)
{
    if (c == '\n' && w->half_line_end)
        to_data(w);
    w->half_line_end = c == '\r';
}

/* How much of end_line the text may still be in when the next character does not fit:
 * its only parts that it begins and ends with are hyphens. */
static size_t shorter_match(size_t matched)
{
    if (matched > end_line.n - HYPHENS)
        return matched - (end_line.n - HYPHENS);
    return matched <= HYPHENS ? matched - 1 : 0;
}

/* Nothing may be base64 any more, so a further "=", which would make this data, spoils
 * all. */
static void take_tail(struct openpgp_walk *w, char c)
{
    w->state = OPENPGP_WALK_TAIL;
    if (c == '=') {
        break_off(w);
        return;
    }
    while (w->matched > 0 && (w->matched == end_line.n || end_line.p[w->matched] != c))
        w->matched = shorter_match(w->matched);
    w->matched += end_line.p[w->matched] == c;
    w->half_line_end = false;
    if (w->matched == end_line.n)
        w->state = OPENPGP_WALK_DONE;
}

static void take_data(struct openpgp_walk *w, char c)
{
    if (c == '\r' || c == '\n')
        return;
    if (c == '=') {
        w->equals++;
    } else if (w->equals > 0) {
        take_tail(w, c);
    } else {
        w->state = OPENPGP_WALK_END; /* digits do not come here */
        match(w, end_line, c);
    }
}

/* Line ends are pairs.  Of a text without a checksum nothing else may follow; of one with
 * it that was not the end yet. */
static void take_done(struct openpgp_walk *w, char c)
{
    if (w->half_line_end ? c == '\n' : c == '\r') {
        w->half_line_end = c == '\r';
        w->matched = 0;
    } else if (w->equals > 0) {
        take_tail(w, c);
    } else {
        break_off(w);
    }
}

static void take(struct openpgp_walk *w, char c)
{
    switch (w->state) {
    case OPENPGP_WALK_BEGIN:
        if (match(w, begin_line, c)) {
            w->state = OPENPGP_WALK_FIRST;
            w->matched = 0;
        }
        break;
    case OPENPGP_WALK_FIRST:
        take_first(w, c);
        break;
    case OPENPGP_WALK_VERSION:
        take_version(w, c);
        break;
    case OPENPGP_WALK_DATA:
        take_data(w, c);
        break;
    case OPENPGP_WALK_TAIL:
        take_tail(w, c);
        break;
    case OPENPGP_WALK_END:
        if (match(w, end_line, c))
            w->state = OPENPGP_WALK_DONE;
        break;
    case OPENPGP_WALK_DONE:
        take_done(w, c);
        break;
    default:
        break;
    }
}

void openpgp_walk_begin(struct openpgp_walk *w, bool tolerate_version)
{
    *w = (struct openpgp_walk){ .tolerate_version = tolerate_version };
}

void openpgp_walk_feed(struct openpgp_walk *w, str_t piece)
{
    while (piece.n > 0 && w->state != OPENPGP_WALK_BROKEN &&
           w->packets.state != OPENPGP_PACKETS_BROKEN) {
        bool plain = w->state == OPENPGP_WALK_DATA && w->equals == 0;
        size_t n = plain ? take_digits(w, piece) : 0;

        if (n == 0) {
            take(w, piece.p[0]);
            n = 1;
        }
        piece = str_skip(piece, n);
    }
}

bool openpgp_walk_end(struct openpgp_walk *w)
{
    return w->state == OPENPGP_WALK_DONE && !w->half_line_end && finish_base64(w) &&
           w->packets.state == OPENPGP_PACKETS_AT_END;
}

bool openpgp_walk_armored(str_t text, bool tolerate_version)
{
    struct openpgp_walk w;

    openpgp_walk_begin(&w, tolerate_version);
    openpgp_walk_feed(&w, text);
    return openpgp_walk_end(&w);
}
