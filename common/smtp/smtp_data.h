/* smtp_data.h - a message in DATA: take the dots away when reading, put them in when
 * sending.  One in chunks (BDAT) has no dots, and the same demands on its lines.
 *
 * Pure; works on pieces of any size, copies nothing: the sink gets runs of the input.
 * Only CRLF.CRLF ends the data.  RFC 5321 4.1.1.4, 4.5.2; RFC 3030.
 * Thread: any; one struct belongs to one transaction.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes n bytes at p, valid during the call only. */
typedef void (*smtp_data_sink_fn)(void *context, const char *p, size_t n);

enum smtp_data_fault {
    SMTP_DATA_BARE_CR = 1 << 0, /* the two ends may disagree */
    SMTP_DATA_BARE_LF = 1 << 1, /* about where the message ends */
    SMTP_DATA_NUL = 1 << 2,
    SMTP_DATA_LONG_LINE = 1 << 3,
    SMTP_DATA_TOO_BIG = 1 << 4,
};

struct smtp_data {
    unsigned state;
    unsigned faults;   /* enum smtp_data_fault; sticky, the sink gets nothing after one */
    bool is_chunked;   /* a dot is a dot, and nothing within ends the data */
    size_t line_bytes; /* of the line in progress */
    size_t max_line_bytes; /* without CRLF */
    uint64_t bytes;        /* given to the sink, or what would have been */
    uint64_t max_bytes;
};

void smtp_data_init(struct smtp_data *d, uint64_t max_bytes, size_t max_line_bytes);

/* Feed a piece.  True: the end was seen, *used bytes belong to the message and its end;
 * what follows is the next command.  False: all of it was used.  Faults do not stop the
 * framing, so that a caller can answer at the end; it looks at d->faults after each call
 * and closes on a bare CR or LF or a NUL at once. */
bool smtp_data_feed(struct smtp_data *d, str_t in, size_t *used, smtp_data_sink_fn sink,
                    void *context);

/* The same for a message in chunks: feed them one after the other, wherever they cut its
 * lines, and say when the last one is through: a last line without its end gets one. */
void smtp_data_init_chunked(struct smtp_data *d, uint64_t max_bytes,
                            size_t max_line_bytes);
void smtp_data_finish_chunks(struct smtp_data *d, smtp_data_sink_fn sink, void *context);

/* Sending.  Adds dots; turns a bare CR or LF into CRLF and drops NUL, so that no other
 * server ever sees one from us. */
struct smtp_data_encoder {
    bool at_line_start;
    bool after_cr;
};

void smtp_data_encoder_init(struct smtp_data_encoder *e);
void smtp_data_encode(struct smtp_data_encoder *e, str_t piece, smtp_data_sink_fn sink,
                      void *context);
/* Completes the last line and writes the final dot. */
void smtp_data_encode_end(struct smtp_data_encoder *e, smtp_data_sink_fn sink,
                          void *context);
