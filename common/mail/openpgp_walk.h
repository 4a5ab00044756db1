/* openpgp_walk.h - is this armored text one encrypted OpenPGP message and nothing
 * besides?
 *
 * The text comes in pieces, and the verdict does not depend on where they were cut.  What
 * the packets must be says openpgp_packets.h; the armor is read as chatmail's relays read
 * it (chatmail spec 2.5 with its corrections): "BEGIN" and CRLF are the very first, "END"
 * and any number of CRLF the very last; between them stands strict base64, padded, in
 * lines of any length.  The last "=" begins the checksum, which may be anything and is
 * not looked at; so padded base64 without a checksum is refused, and without pads it
 * passes. No other armor header than one "Version:" is known. Constant memory.  Thread:
 * any.
 */
#pragma once

#include "base/str.h"
#include "mail/openpgp_packets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum openpgp_walk_state {
    OPENPGP_WALK_BEGIN,   /* in the first line */
    OPENPGP_WALK_FIRST,   /* behind it: "Version: " or already data */
    OPENPGP_WALK_VERSION, /* in the rest of that line */
    OPENPGP_WALK_DATA,    /* digits, line ends, pads */
    OPENPGP_WALK_TAIL,    /* behind the last "=": anything up to END */
    OPENPGP_WALK_END,     /* in END, without a "=" before it */
    OPENPGP_WALK_DONE,    /* behind END: only line ends */
    OPENPGP_WALK_BROKEN,  /* and stays so */
};

struct openpgp_walk {
    enum openpgp_walk_state state;
    bool tolerate_version;
    bool half_line_end; /* VERSION, DONE: the last character was a CR */
    size_t matched;     /* of the literal that is looked for */
    uint32_t bits;      /* of the group in progress */
    unsigned digits;    /* in the group, 0 to 3 */
    unsigned equals;    /* "=" up to now */
    struct openpgp_packets packets;
};

/* tolerate_version: take one "Version:" line, which some other mail programs write
 * (incoming mail only). */
void openpgp_walk_begin(struct openpgp_walk *w, bool tolerate_version);
void openpgp_walk_feed(struct openpgp_walk *w, str_t piece);
bool openpgp_walk_end(struct openpgp_walk *w);

/* The same for a text that is there as a whole. */
bool openpgp_walk_armored(str_t text, bool tolerate_version);
