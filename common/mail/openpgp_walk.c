/* openpgp_walk.c - armor, strict base64 and packet frames, one after the other over a
 * small window.
 */
#include "mail/openpgp_walk.h"

#include "base/crypto.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PACKET_PKESK = 1,
    PACKET_SKESK = 3,
    PACKET_SEIPD = 18,
    WINDOW_BYTES = 3 * 1024,
};

/* ---- packets ---- */

enum state {
    AT_TAG,
    AT_LENGTH, /* the first octet of a new format length */
    IN_LENGTH, /* the following octets of a length */
    IN_BODY,
    AT_END, /* the SEIPD packet is complete: nothing may follow */
    BROKEN,
};

struct walker {
    enum state state;
    unsigned tag;
    unsigned length_octets; /* still to come */
    uint64_t left;          /* [bytes] of the body, or the length as read so far */
    unsigned bias;          /* added to a length when it is complete */
    bool partial;           /* another length follows this piece of the body */
};

static void end_of_body(struct walker *w)
{
    if (w->partial)
        w->state = AT_LENGTH;
    else
        w->state = w->tag == PACKET_SEIPD ? AT_END : AT_TAG;
}

static void start_body(struct walker *w)
{
    w->state = IN_BODY;
    if (w->left == 0)
        end_of_body(w);
}

static void take_tag(struct walker *w, unsigned char c)
{
    static const unsigned char legacy_octets[] = { 1, 2, 4 };

    w->tag = (c & 0x40) != 0 ? c & 0x3f : c >> 2 & 0x0f;
    w->left = 0;
    w->bias = 0;
    w->partial = false;
    if ((c & 0x80) == 0 ||
        (w->tag != PACKET_PKESK && w->tag != PACKET_SKESK && w->tag != PACKET_SEIPD)) {
        w->state = BROKEN;
    } else if ((c & 0x40) != 0) {
        w->state = AT_LENGTH;
    } else if ((c & 3) == 3) { /* indeterminate: as long as whatever follows */
        w->state = BROKEN;
    } else {
        w->state = IN_LENGTH;
        w->length_octets = legacy_octets[c & 3];
    }
}

static void take_length(struct walker *w, unsigned char c)
{
    w->partial = false;
    w->bias = 0;
    if (c < 192) {
        w->left = c;
        start_body(w);
    } else if (c < 224) {
        w->left = c - 192u;
        w->bias = 192;
        w->length_octets = 1;
        w->state = IN_LENGTH;
    } else if (c < 255) {
        w->left = (uint64_t)1 << (c & 0x1f);
        w->partial = true;
        start_body(w);
    } else {
        w->left = 0;
        w->length_octets = 4;
        w->state = IN_LENGTH;
    }
}

/* Returns how many of the n > 0 bytes at p were used. */
static size_t step(struct walker *w, const unsigned char *p, size_t n)
{
    size_t take;

    switch (w->state) {
    case AT_TAG:
        take_tag(w, *p);
        return 1;
    case AT_LENGTH:
        take_length(w, *p);
        return 1;
    case IN_LENGTH:
        w->left = w->left << 8 | *p;
        if (--w->length_octets == 0) {
            w->left += w->bias;
            start_body(w);
        }
        return 1;
    case IN_BODY:
        take = w->left < n ? (size_t)w->left : n;
        w->left -= take;
        if (w->left == 0)
            end_of_body(w);
        return take;
    default: /* AT_END, BROKEN */
        w->state = BROKEN;
        return n;
    }
}

static void walk(struct walker *w, const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t used = step(w, p, n);

        p += used;
        n -= used;
    }
}

/* ---- base64 ---- */

struct decoder {
    struct walker *walker;
    unsigned char window[WINDOW_BYTES];
    size_t n;
    uint32_t bits;   /* of the group in progress */
    unsigned digits; /* in the group, 0 to 3 */
    unsigned pads;
};

static void flush(struct decoder *d)
{
    walk(d->walker, d->window, d->n);
    d->n = 0;
}

static void put_group(struct decoder *d, uint32_t bits)
{
    if (d->n == WINDOW_BYTES)
        flush(d);
    d->window[d->n++] = (unsigned char)(bits >> 16);
    d->window[d->n++] = (unsigned char)(bits >> 8);
    d->window[d->n++] = (unsigned char)bits;
}

/* Whole groups without anything in between, which is nearly all of the text.  Returns how
 * many characters were taken. */
static size_t take_groups(struct decoder *d, str_t s)
{
    size_t i = 0;

    while (s.n - i >= 4) {
        const unsigned char *p = (const unsigned char *)s.p + i;
        int a = crypto_base64_digit(p[0]), b = crypto_base64_digit(p[1]);
        int c = crypto_base64_digit(p[2]), e = crypto_base64_digit(p[3]);

        if ((a | b | c | e) < 0)
            break;
        put_group(d, (uint32_t)(a << 18 | b << 12 | c << 6 | e));
        i += 4;
    }
    return i;
}

/* One character: a digit, a pad or a line end.  False if it may not stand here. */
static bool take_char(struct decoder *d, char c)
{
    int digit = crypto_base64_digit((unsigned char)c);

    if (c == '\r' || c == '\n')
        return true;
    if (c == '=') {
        d->pads++;
        return d->digits + d->pads <= 4 && d->digits >= 2;
    }
    if (digit < 0 || d->pads > 0)
        return false;
    d->bits = d->bits << 6 | (uint32_t)digit;
    if (++d->digits == 4) {
        put_group(d, d->bits & 0xffffff);
        d->bits = d->digits = 0;
    }
    return true;
}

/* The last group, shortened by its pads.  Bits that no byte uses must be zero. */
static bool finish(struct decoder *d)
{
    flush(d);
    if (d->digits == 0)
        return d->pads == 0;
    if (d->digits + d->pads != 4)
        return false;
    d->bits <<= 6 * d->pads;
    if ((d->bits & (d->pads == 2 ? 0xffff : 0xff)) != 0)
        return false;
    d->window[0] = (unsigned char)(d->bits >> 16);
    d->window[1] = (unsigned char)(d->bits >> 8);
    d->n = 3 - d->pads;
    flush(d);
    return true;
}

static bool walk_base64(struct walker *w, str_t s)
{
    struct decoder d = { .walker = w };

    while (s.n > 0 && w->state != BROKEN) {
        size_t n = d.digits == 0 && d.pads == 0 ? take_groups(&d, s) : 0;

        s = str_skip(s, n);
        if (s.n > 0 && !take_char(&d, s.p[0]))
            return false;
        s = str_skip(s, 1);
    }
    return finish(&d);
}

/* ---- armor ---- */

static str_t without_line_ends(str_t s)
{
    while (s.n >= 2 && s.p[s.n - 2] == '\r' && s.p[s.n - 1] == '\n')
        s.n -= 2;
    return s;
}

/* Take off the last line if it is a checksum.  Whatever follows the "=" is not looked at
 * (RFC 9580 6.1: a wrong one is no reason to refuse), and no reader shows it. */
static str_t without_checksum(str_t s)
{
    size_t at;

    s = without_line_ends(s);
    at = s.n;
    while (at > 0 && s.p[at - 1] != '\n')
        at--;
    return at < s.n && s.p[at] == '=' ? str_head(s, at) : s;
}

static str_t without_version(str_t s)
{
    size_t end = str_starts(s, S("Version: ")) ? str_find(s, S("\r\n")) : SIZE_MAX;

    return end != SIZE_MAX ? str_skip(s, end + 2) : s;
}

bool openpgp_walk_armored(str_t text, bool tolerate_version)
{
    static const str_t begin = STR("-----BEGIN PGP MESSAGE-----\r\n");
    static const str_t end = STR("-----END PGP MESSAGE-----");
    struct walker w = { .state = AT_TAG };

    text = without_line_ends(text);
    if (text.n < begin.n + end.n || !str_starts(text, begin) ||
        !str_eq(str_skip(text, text.n - end.n), end))
        return false;
    text = str_n(text.p + begin.n, text.n - begin.n - end.n);
    if (tolerate_version)
        text = without_version(text);
    return walk_base64(&w, without_checksum(text)) && w.state == AT_END;
}

bool openpgp_walk_packets(str_t data)
{
    struct walker w = { .state = AT_TAG };

    walk(&w, (const unsigned char *)data.p, data.n);
    return w.state == AT_END;
}
