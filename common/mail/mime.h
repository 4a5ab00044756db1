/* mime.h - the parts of a message: one pass over its bytes, however deep it is nested.
 *
 * Pure.  Time is linear in the message, memory in the number of parts, both capped: what
 * lies deeper or later stays inside its surrounding part and `truncated` is set.
 * RFC 2045, RFC 2046.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum {
    MIME_MAX_DEPTH = 100,
    MIME_MAX_PARTS = 10000,
    MIME_MAX_BOUNDARY_BYTES = 256,
};

struct mime_param {
    str_t name, value; /* value without its quotes */
};

/* Also holds Content-Disposition: type is the disposition, subtype is empty. */
struct mime_type {
    str_t type, subtype; /* as written; compare without case */
    struct mime_param *params;
    size_t param_count;
};

/* RC_INVALID: no type/subtype can be seen, or what follows is malformed; parameters that
 * can be read are there all the same, all of them. */
enum rc mime_type_parse(struct arena *a, str_t value, struct mime_type *out) RC_CHECKED;
enum rc mime_disposition_parse(struct arena *a, str_t value,
                               struct mime_type *out) RC_CHECKED;
bool mime_is_token(str_t s); /* RFC 2045 5.1 */
bool mime_type_is(const struct mime_type *t, const char *type, const char *subtype);
bool mime_type_param(const struct mime_type *t, const char *name, str_t *value);

enum mime_encoding {
    MIME_IDENTITY, /* 7bit, 8bit, binary, none */
    MIME_BASE64,
    MIME_QUOTED_PRINTABLE,
    MIME_UNKNOWN,
};

struct mime_part {
    size_t parent;     /* index; the root is its own parent */
    size_t next;       /* index of the next sibling, 0: none */
    size_t first;      /* index of the first child, 0: none */
    size_t children;   /* how many */
    unsigned depth;    /* 0 for the root */
    bool is_multipart; /* has a boundary; then children are its parts */
    bool is_message;   /* message/rfc822: its only child is the message within */
    bool closed;       /* multipart whose last delimiter was seen */
    bool type_given;   /* a Content-Type field was there and could be read */
    str_t header;      /* with the empty line */
    str_t body;
    size_t lines;          /* line ends in body */
    struct mime_type type; /* text/plain (message/rfc822 in a digest) if not given */
    enum mime_encoding encoding;
};

struct mime_tree {
    struct mime_part *parts; /* parts[0] is the message; parents before children */
    size_t count;
    bool truncated; /* a limit was reached */
};

void mime_tree_parse(struct arena *a, str_t message, struct mime_tree *out);
