/* search_program.h - SEARCH's criteria as a tree, and whether a message meets them.
 *
 * Pure but for the arena.  RFC 9051 6.4.4.  Thread: one owner.
 * Limits: SEARCH_PROGRAM_NODES criteria, nested SEARCH_PROGRAM_DEPTH deep, of which
 * SEARCH_PROGRAM_READS look into the message; texts of STR_NEEDLE_MAX bytes.  Text is
 * compared as bytes, ASCII letters in any case: encoded words and transfer encodings are
 * not decoded (what lies here is encrypted).
 */
#pragma once

#include "imap_parser.h"
#include "imap_set.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view_row;

enum { SEARCH_PROGRAM_NODES = 500, SEARCH_PROGRAM_DEPTH = 32, SEARCH_PROGRAM_READS = 32 };

enum search_need { /* ascending */
                   SEARCH_ROW,
                   SEARCH_HEADER,
                   SEARCH_MESSAGE,
};

struct search_node;

struct search_program {
    const struct search_node *root;
    enum search_need need;
    size_t nodes;
    size_t reads; /* criteria that look into the message */
};

/* What the numbers of sets mean. */
struct search_limits {
    uint32_t last_number;
    uint32_t last_uid;
};

/* in stands behind "SEARCH"; CHARSET is read as well: RC_DENIED for an unknown one.
 * RC_INVALID: malformed; RC_LIMIT: too large; in knows what is wrong.  A sequence number
 * beyond the mailbox is malformed, but "1:*" may be asked of an empty one. */
enum rc search_program_read(struct imap_parser *in, struct search_limits limits,
                            struct search_program *out) RC_CHECKED;

/* Fields with addresses: they are searched as they are written, and as ENVELOPE shows
 * them, "name <mailbox@host>", which is made once for a message. */
enum search_addresses { SEARCH_BCC, SEARCH_CC, SEARCH_FROM, SEARCH_TO, SEARCH_ADDRESSES };

struct search_subject {
    struct arena *arena; /* for unfolding */
    const struct view_row *row;
    uint32_t number;
    str_t header;                      /* empty unless needed */
    str_t message;                     /* empty unless needed */
    str_t addresses[SEARCH_ADDRESSES]; /* p NULL: not made yet */
};

/* Once what program->need says has been read. */
bool search_program_match(const struct search_program *p, struct search_subject *subject);

/* What can be said from the row alone: -1 no, 1 yes, 0 the message must be read. */
int search_program_quick(const struct search_program *p, struct search_subject *subject);
