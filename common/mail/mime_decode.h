/* mime_decode.h - undo a part's transfer encoding, piece by piece.
 *
 * What comes out does not depend on where the pieces were cut.  Lenient about blanks and
 * line ends in base64.  RFC 2045 6.7, 6.8.  Constant memory.  Thread: any.
 */
#pragma once

#include "base/str.h"
#include "mail/mime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mime_decoder {
    enum mime_encoding encoding; /* MIME_UNKNOWN is none, as "7-bit" and the like */
    bool broken;
    enum mime_decoder_place {
        MIME_DECODER_TEXT,
        MIME_DECODER_EQUALS, /* quoted-printable: behind "=" */
        MIME_DECODER_DIGIT,  /* behind "=" and a hexadecimal digit */
        MIME_DECODER_BLANKS, /* behind "=" and blanks: a line end must come */
        MIME_DECODER_CR,     /* and of that the CR was there */
    } place;
    int digit;
    uint32_t bits; /* base64 */
    size_t digits, pads;
};

/* Writes at most in.n bytes, and returns how many. */
size_t mime_decoder_feed(struct mime_decoder *d, str_t in, char *to);

/* False: the text cannot be decoded. */
bool mime_decoder_end(const struct mime_decoder *d);
