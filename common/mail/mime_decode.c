/* mime_decode.c - base64 and quoted-printable, a character at a time. */
#include "mail/mime_decode.h"

#include "base/crypto.h"

/* A character of base64; what it completes goes to *to.  Returns how many bytes. */
static size_t take_base64(struct mime_decoder *d, char c, char *to)
{
    int digit = crypto_base64_digit((unsigned char)c);

    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return 0;
    if (c == '=') {
        d->pads++;
        return 0;
    }
    if (digit < 0 || d->pads > 0) {
        d->broken = true;
        return 0;
    }
    d->bits = d->bits << 6 | (uint32_t)digit;
    if (d->digits++ % 4 == 0)
        return 0;
    *to = (char)(d->bits >> (6 - 2 * ((d->digits - 1) % 4)));
    return 1;
}

/* Behind a "=" that no two digits follow: blanks, and a line end or the end of all. */
static void take_soft_break(struct mime_decoder *d, char c)
{
    if (c == '\n')
        d->place = MIME_DECODER_TEXT;
    else if (c == '\r' && d->place != MIME_DECODER_CR)
        d->place = MIME_DECODER_CR;
    else if ((c == ' ' || c == '\t') && d->place != MIME_DECODER_CR)
        d->place = MIME_DECODER_BLANKS;
    else
        d->broken = true;
}

/* The same for quoted-printable. */
static size_t take_quoted(struct mime_decoder *d, char c, char *to)
{
    int digit = str_hex_value(c);

    if (d->place == MIME_DECODER_TEXT && c != '=') {
        *to = c;
        return 1;
    }
    if (d->place == MIME_DECODER_TEXT) {
        d->place = MIME_DECODER_EQUALS;
    } else if (d->place == MIME_DECODER_EQUALS && digit >= 0) {
        d->place = MIME_DECODER_DIGIT;
        d->digit = digit;
    } else if (d->place == MIME_DECODER_DIGIT) {
        d->place = MIME_DECODER_TEXT;
        d->broken = digit < 0;
        *to = (char)(d->digit * 16 + digit);
        return 1;
    } else {
        take_soft_break(d, c);
    }
    return 0;
}

size_t mime_decoder_feed(struct mime_decoder *d, str_t in, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < in.n && !d->broken; i++) {
        if (d->encoding == MIME_BASE64)
            n += take_base64(d, in.p[i], to + n);
        else if (d->encoding == MIME_QUOTED_PRINTABLE)
            n += take_quoted(d, in.p[i], to + n);
        else
            to[n++] = in.p[i];
    }
    return n;
}

bool mime_decoder_end(const struct mime_decoder *d)
{
    return !d->broken && d->place != MIME_DECODER_DIGIT && d->digits % 4 != 1 &&
           d->pads <= 2;
}
