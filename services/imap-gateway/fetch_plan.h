/* fetch_plan.h - what one FETCH wants of each message, as read from its arguments.
 *
 * Pure but for the arena.  RFC 9051 6.4.5.  Thread: one owner.
 */
#pragma once

#include "imap_parser.h"

#include "base/rc.h"
#include "base/str.h"
#include "mail/imap_structure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct fetch_item;
struct view_row;

enum { FETCH_PLAN_ITEMS = 64 };

enum fetch_need { /* ascending: each includes those before it */
                  FETCH_ROW,
                  FETCH_HEADER,
                  FETCH_STREAM, /* the message as it is, which may go out in slices */
                  FETCH_MESSAGE,
                  FETCH_SECTION, /* in the table only */
};

enum fetch_flag {
    FETCH_SETS_SEEN = 1 << 0,
};

/* What a message's item is written from. */
struct fetch_subject {
    struct arena *arena;
    const struct view_row *row;
    str_t header;  /* with its empty line; NULL unless needed */
    str_t message; /* NULL unless needed */
};

struct fetch_row {
    const char *name;
    void (*write)(struct buf *out, const struct fetch_item *item,
                  const struct fetch_subject *subject);
    enum fetch_need need;
    unsigned flags;
};

struct fetch_item {
    const struct fetch_row *row;
    enum fetch_need need;
    struct imap_structure_section section;
    bool partial; /* <first.length> */
    uint32_t first;
    uint32_t length;
};

struct fetch_plan {
    struct fetch_item items[FETCH_PLAN_ITEMS];
    size_t count;
    enum fetch_need need; /* the highest of all items but FETCH_STREAM */
    bool streams;         /* an item is FETCH_STREAM */
    bool sets_seen;
    bool has_flags;
};

/* in stands behind the set.  add_uid: UID FETCH always tells the UID.
 * RC_INVALID: malformed; RC_LIMIT: too many items; in knows what is wrong. */
enum rc fetch_plan_read(struct imap_parser *in, bool add_uid,
                        struct fetch_plan *out) RC_CHECKED;

/* "BODY[1.2]<0>" as the answer names it. */
void fetch_plan_label(struct buf *out, const struct fetch_item *item);
/* The slice that <first.length> asks for. */
str_t fetch_plan_slice(const struct fetch_item *item, str_t bytes);
