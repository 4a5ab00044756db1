/* dkim_tags.h - the list of tag=value that signatures and key records are written in.
 *
 * Pure; everything returned borrows from the text.  Folding is taken as blanks.  A tag
 * that stands there twice makes the whole list invalid.  RFC 6376 3.2; bytes beyond ASCII
 * may stand in values (RFC 8616 4).  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { DKIM_TAGS_MAX = 32 };

struct dkim_tag {
    str_t name;
    str_t value; /* trimmed, blanks and folds inside; may be empty */
    str_t raw;   /* all between "=" and ";" or the end */
};

struct dkim_tags {
    struct dkim_tag list[DKIM_TAGS_MAX];
    size_t count;
};

/* RC_INVALID: not such a list; RC_LIMIT: more than DKIM_TAGS_MAX tags. */
enum rc dkim_tags_parse(str_t text, struct dkim_tags *out) RC_CHECKED;

/* The tag of that name (in this case of letters), or NULL. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, str_t name);

/* Cut a value at the first colon: *head is trimmed, *rest is what follows.  False at the
 * end of the value. */
bool dkim_tags_split(str_t *rest, str_t *head);

/* Is word among the parts of a value?  Compared as it is written. */
bool dkim_tags_has(str_t value, str_t word);

/* What a value in base64, which may be folded anywhere, means.  RC_INVALID: nothing. */
enum rc dkim_tags_base64(struct arena *a, str_t value, str_t *out) RC_CHECKED;
