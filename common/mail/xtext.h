/* xtext.h - XTEXT of RFC 3461 4: any bytes as printable ASCII without blanks, "+3D" for
 * "=".
 *
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct arena;
struct buf;

/* RC_INVALID: a byte that must not stand there, or a "+" without two digits of upper
 * case. */
enum rc xtext_decode(struct arena *a, str_t text, str_t *out) RC_CHECKED;

/* As RFC 3461 has it: only what must be is encoded. */
void xtext_put(struct buf *out, str_t bytes);

/* The same with quotes and backslashes encoded, too, so that it can be the content of a
 * JSON string as it is. */
void xtext_put_quotable(struct buf *out, str_t bytes);
