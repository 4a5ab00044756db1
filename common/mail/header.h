/* header.h - the fields of a message's header, or of a part's, as borrowed bytes.
 *
 * Pure.  Lines end in CRLF; a lone LF is accepted as well, because a mailbox may hold
 * messages that never came over SMTP.  At most HEADER_MAX_BYTES and HEADER_MAX_FIELDS are
 * looked at; header_check tells whether that was all.  Everything returned points into
 * the message.  RFC 5322 2.2, 3.6.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { HEADER_MAX_BYTES = 256 * 1024, HEADER_MAX_FIELDS = 2000 };

struct header_field {
    str_t name;  /* without blanks before the colon; empty for a line that is no field */
    str_t value; /* raw: what follows the colon, folds inside, without the last CRLF */
    str_t whole; /* from the name to the end of the last line, its CRLF included */
};

struct header_iter {
    str_t rest; /* not yet looked at */
    size_t fields;
};

void header_init(struct header_iter *it, str_t message);
bool header_next(struct header_iter *it, struct header_field *out);

/* Where the body begins: after the empty line; message.n when there is none. */
size_t header_end(str_t message);

/* First field of that name (case ignored). */
bool header_find(str_t message, str_t name, struct header_field *out);
size_t header_count(str_t message, str_t name);

/* RC_INVALID: a line is no field, or has blanks before its colon; RC_LIMIT: too many
 * bytes or fields.  What comes from the wire is accepted only with RC_OK; two readers
 * understand anything else in two ways. */
enum rc header_check(str_t message);

/* The value on one line, trimmed.  Copies into the arena only if there are folds. */
str_t header_unfold(struct arena *a, str_t value);

/* header_find and header_unfold in one; empty when there is no such field. */
str_t header_value(struct arena *a, str_t message, str_t name);
