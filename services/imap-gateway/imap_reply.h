/* imap_reply.h - every protocol byte that is sent: quoting, literals, line ends.
 *
 * Nobody else writes to a session's output, so that nobody else can forget to quote.
 * Thread: the owner of the buffer.
 */
#pragma once

#include "imap_command.h"

#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [bytes] of one turn's output: FETCH hands over beyond SOFT, nothing goes beyond MAX. */
enum { IMAP_REPLY_SOFT = 64 * 1024, IMAP_REPLY_MAX = 80 * 1024 * 1024 };

/* The tagged answer.  text and code are ours, never the client's.  code: without
 * brackets, "" for none. */
enum cmd_result imap_reply_ok(struct imap_cmd *cmd, const char *text);
enum cmd_result imap_reply_ok_code(struct imap_cmd *cmd, const char *code,
                                   const char *text);
enum cmd_result imap_reply_no(struct imap_cmd *cmd, const char *code, const char *text);
enum cmd_result imap_reply_bad(struct imap_cmd *cmd, const char *text);
/* An argument was refused: usage, and what is wrong with this command. */
enum cmd_result imap_reply_args(struct imap_cmd *cmd, const char *usage);
enum cmd_result imap_reply_rc(struct imap_cmd *cmd, enum rc rc);
/* Ends a session whose client knows what a crash of PostgreSQL has undone. */
enum cmd_result imap_reply_undone(struct imap_cmd *cmd);

/* Whole lines of our own words. */
void imap_reply_untagged(struct buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void imap_reply_continue(struct buf *out, const char *text); /* "+ text" */
void imap_reply_bye(struct buf *out, const char *text);

/* Pieces of a line; the line ends with imap_reply_end. */
void imap_reply_text(struct buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void imap_reply_string(struct buf *out, str_t s); /* quoted, or a literal */
void imap_reply_literal(struct buf *out, str_t s);
void imap_reply_literal_head(struct buf *out, uint64_t bytes); /* they follow */
void imap_reply_bytes(struct buf *out, str_t s);               /* of that literal */
void imap_reply_mailbox(struct buf *out, struct arena *a, str_t utf8);
void imap_reply_flags(struct buf *out, uint32_t bits); /* "(\Seen $MDNSent)" */
void imap_reply_end(struct buf *out);

/* "* OK [PERMANENTFLAGS (...)]" */
void imap_reply_permanent_flags(struct buf *out, uint32_t bits);

/* "* 3 FETCH (UID 7 FLAGS (\Seen))" */
void imap_reply_fetch_flags(struct buf *out, size_t number, uint32_t uid, uint32_t flags);

/* All capabilities that hold in this state, separated by blanks, in the arena. */
const char *imap_reply_capabilities(struct imap_cmd *cmd);

/* Numbers as a set: "3:5,9"; ascending is shorter but not needed. */
void imap_reply_set(struct buf *out, const uint32_t *numbers, size_t n);
