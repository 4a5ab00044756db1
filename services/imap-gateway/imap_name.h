/* imap_name.h - names of mailboxes: modified UTF-7 on the wire, UTF-8 in the store.
 *
 * Pure.  A name on the wire has one spelling only: what decodes to a text whose encoding
 * is another one is refused, so that two spellings can never name one mailbox.
 * RFC 3501 5.1.3.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct arena;

enum { IMAP_NAME_MAX = 255, IMAP_NAME_LEVELS = 16 };
#define IMAP_NAME_SEPARATOR '.'

/* RC_INVALID: not canonical, a control character, an empty level, too many levels.
 * RC_LIMIT: too long.  "inbox" in any case becomes "INBOX", also as the first level. */
enum rc imap_name_decode(struct arena *a, str_t wire, str_t *out) RC_CHECKED;
str_t imap_name_encode(struct arena *a, str_t utf8);

/* Does a name match a LIST pattern ('*' anything, '%' anything within one level)?
 * At most pattern * name steps.  RFC 9051 6.3.9. */
bool imap_name_match(str_t pattern, str_t name);
