/* smtp_reply.h - replies: write them as a server, read them as a client.
 *
 * Pure.  The only place where reply bytes are written: text from anywhere is reduced to
 * printable ASCII on one line.  What remote servers say is hostile and bounded.
 * RFC 5321 4.2, RFC 2034.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

enum { SMTP_REPLY_MAX_LINE_BYTES = 512, SMTP_REPLY_MAX_LINES = 100 };

/* Appends one line: "250-text" or, when last, "250 text".  enhanced ("2.1.0") may be
 * NULL; text longer than a line may be is cut. */
void smtp_reply_line(struct buf *out, int code, bool last, const char *enhanced,
                     str_t text);

/* A reply of one line. */
void smtp_reply_put(struct buf *out, int code, const char *enhanced, str_t text);
void smtp_reply_printf(struct buf *out, int code, const char *enhanced,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The reply that base/rc.c has for rc. */
void smtp_reply_rc(struct buf *out, enum rc rc);

struct smtp_reply {
    int code;       /* 200 to 599 */
    str_t enhanced; /* "5.1.1" of the first line, empty if it has none */
    str_t raw;      /* all its lines with their ends */
    size_t lines;
};

enum smtp_reply_frame { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

/* in holds all that is buffered.  SMTP_REPLY_DONE: raw.n bytes of it are the reply.
 * SMTP_REPLY_BAD: not SMTP, or over the limits; close. */
enum smtp_reply_frame smtp_reply_parse(str_t in, struct smtp_reply *out);

/* Text of the next line without code and line end; start with *at = 0. */
bool smtp_reply_next_line(const struct smtp_reply *r, size_t *at, str_t *text);

/* True if the EHLO reply names the keyword; *args is what follows it. */
bool smtp_reply_has_keyword(const struct smtp_reply *r, const char *keyword, str_t *args);

/* The whole reply on one printable line, for logs, the queue and bounces: at most
 * max_bytes, "550 5.1.1 no such user; try another". */
str_t smtp_reply_text(struct arena *a, const struct smtp_reply *r, size_t max_bytes);
