/* message_edit.h - changes to a message, wished for by somebody who was asked about it.
 *
 * Fields of the outer header are inserted, changed and removed one after the other, each
 * wish seeing what those before it have made; the body is kept or replaced as a whole.
 * What comes out is as fit to be stored as what a client may send: lines end in CRLF,
 * are at most MESSAGE_EDIT_LINE_MAX_BYTES long and have neither bare CR or LF nor NUL,
 * and header_check finds nothing.  A wish that would break that is refused and changes
 * nothing.
 * Pure; borrows the message and keeps copies of what is put in.  Thread: one at a time.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct message_edit;

enum {
    MESSAGE_EDIT_LINE_MAX_BYTES = 8192, /* as of what comes in */
    MESSAGE_EDIT_WISHES_MAX = 1000,     /* about the header */
};

/* At the end of the header, for message_edit_insert. */
#define MESSAGE_EDIT_LAST SIZE_MAX

/* NULL: the header is none that header_check passes. */
struct message_edit *message_edit_new(struct arena *a, str_t message);

/* Before the field that is the index-th now (0: the first); beyond the last, behind it.
 * A value is written behind a blank unless it begins with one, and may be folded, by CRLF
 * or LF with a blank behind it.  RC_INVALID: that is no name, or no value; RC_LIMIT: too
 * many wishes, or the value is too long. */
enum rc message_edit_insert(struct message_edit *e, size_t index, str_t name,
                            str_t value) RC_CHECKED;

/* A first field that the others are counted with, and that can be changed, but is not
 * there otherwise: for who was shown one that the message does not have. */
void message_edit_hide(struct message_edit *e, str_t name);

/* Of the fields with that name (in any case) the nth, counted from 1, becomes "name:
 * value"; without a value it goes.  If there are fewer, the field is put at the end, and
 * one that should go is gone.  Otherwise as above. */
enum rc message_edit_change(struct message_edit *e, size_t nth, str_t name,
                            str_t value) RC_CHECKED;

/* All of that name go. */
enum rc message_edit_remove(struct message_edit *e, str_t name) RC_CHECKED;

/* Another body instead; copied.  A line end is CRLF or LF, and the last line gets one.
 * RC_LIMIT: more than max_bytes, or a line is too long; RC_INVALID: NUL or a bare CR. */
enum rc message_edit_body(struct message_edit *e, str_t body,
                          size_t max_bytes) RC_CHECKED;

/* Is there anything that a wish has changed? */
bool message_edit_is_changed(const struct message_edit *e);

/* What came out, in two pieces that lie one behind the other: the header with its empty
 * line, in the arena, and the body, there or in the message.  Once, as the last call.
 * RC_LIMIT: more than max_bytes, or more header than is accepted; RC_INVALID: a body that
 * ends in a bare CR. */
enum rc message_edit_finish(struct message_edit *e, size_t max_bytes, str_t *header,
                            str_t *body) RC_CHECKED;
