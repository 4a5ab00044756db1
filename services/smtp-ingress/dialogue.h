/* dialogue.h - what is said on a connection, for the log of an operator who looks for a
 * fault (io_debug).
 *
 * No password and nothing of a message is ever written.  Of a line only what is known to
 * be harmless is shown: the verb of a command that exists, and the arguments of those
 * that carry addresses, names and sizes.  So what comes where no command is expected, as
 * after an AUTH or a DATA that was refused, is a number of octets.
 * Thread: the session's.
 */
#pragma once

#include "session.h"

#include <stddef.h>

/* The line as it may be shown, appended to out.  in_sasl: an answer within AUTH; muted:
 * no arguments at all. */
void dialogue_mask(struct buf *out, str_t line, bool in_sasl, bool muted);

/* Each does nothing without the option.  Of the client, before it is carried out: */
void dialogue_heard(struct session *s, str_t line);
/* After it: a message may follow although DATA was refused, so from then on only verbs
 * and codes are shown. */
void dialogue_carried_out(struct session *s, str_t line, enum cmd_result result);
/* Of the server: the replies in out from mark on. */
void dialogue_said(const struct session *s, const struct buf *out, size_t mark);
