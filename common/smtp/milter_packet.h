/* milter_packet.h - the packets between a mail server and a milter, version 6.
 *
 * The protocol is Sendmail's (libmilter/docs of its sources, mfdef.h for the numbers): a
 * length of four bytes, a command of one, and its data, in which texts end in NUL.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;

enum {
    MILTER_PACKET_BODY_BYTES = 65535,     /* of one piece of the body */
    MILTER_PACKET_MAX_BYTES = 256 * 1024, /* from a milter; more is an error */
    MILTER_PACKET_VERSION = 6,
};

/* What a milter may ask for at the end (SMFIF_). */
enum milter_packet_action {
    MILTER_ADD_HEADERS = 0x1,
    MILTER_CHANGE_BODY = 0x2,
    MILTER_ADD_RECIPIENTS = 0x4,
    MILTER_DELETE_RECIPIENTS = 0x8,
    MILTER_CHANGE_HEADERS = 0x10,
    MILTER_QUARANTINE = 0x20,
    MILTER_CHANGE_SENDER = 0x40,
    MILTER_ADD_RECIPIENTS_PAR = 0x80,
    MILTER_SET_SYMBOLS = 0x100,
    MILTER_ACTIONS = 0x1ff,
};

/* What it does not want to hear, and what it does not answer (SMFIP_). */
enum milter_packet_step {
    MILTER_NO_CONNECT = 0x1,
    MILTER_NO_HELLO = 0x2,
    MILTER_NO_MAIL = 0x4,
    MILTER_NO_RCPT = 0x8,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADERS = 0x20,
    MILTER_NO_EOH = 0x40,
    MILTER_SILENT_HEADER = 0x80,
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_NO_DATA = 0x200,
    MILTER_MAY_SKIP = 0x400,
    MILTER_SILENT_CONNECT = 0x1000,
    MILTER_SILENT_HELLO = 0x2000,
    MILTER_SILENT_MAIL = 0x4000,
    MILTER_SILENT_RCPT = 0x8000,
    MILTER_SILENT_DATA = 0x10000,
    MILTER_SILENT_UNKNOWN = 0x20000,
    MILTER_SILENT_EOH = 0x40000,
    MILTER_SILENT_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000, /* values of header fields keep theirs */
    /* All but SMFIP_RCPT_REJ: it is told of accepted recipients only; and larger pieces.
     */
    MILTER_STEPS = 0x1ff7ff,
};

/* A packet to a milter: begin, append its data to the buffer, end. */
size_t milter_packet_begin(struct buf *to, char command);
void milter_packet_u16(struct buf *to, uint16_t n);
void milter_packet_u32(struct buf *to, uint32_t n);
void milter_packet_text(struct buf *to,
                        str_t text); /* up to a NUL in it, with one behind */
void milter_packet_end(struct buf *to, size_t begun);

/* The first packet of in, if it is whole; *used are its bytes.  RC_RETRY: more has to
 * come; RC_LIMIT: it is too long; RC_INVALID: it is empty. */
enum rc milter_packet_next(str_t in, char *command, str_t *data, size_t *used) RC_CHECKED;

/* The next number or text of the data.  False: there is none. */
bool milter_packet_take_u32(str_t *data, uint32_t *out);
bool milter_packet_take_text(str_t *data, str_t *out);
