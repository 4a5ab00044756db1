/* view.h - a mailbox as one client has been told: which sequence number is which UID.
 *
 * Changes only by what is written to the client in the same breath.  24 bytes for each
 * message.  Thread: the owner of the session.
 */
#pragma once

#include "imap_set.h"

#include "base/rc.h"
#include "store/store_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct db;

struct view_row {
    int64_t body_id;
    uint32_t uid;
    int32_t size; /* [bytes] */
    /* 32 bits end in 2106 and know nothing before 1970; these hold all years of date.h.
     */
    int64_t idate_unix : 40; /* [s] */
    uint64_t flags : 24;     /* store_flags.h */
};

struct view {
    int64_t mailbox;
    int64_t modseq;      /* all changes up to here were told */
    uint64_t connection; /* db_newest_connection when it was read or compared last */
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint32_t count;
    uint32_t room;
    bool read_only;
    struct view_row *rows; /* ascending by uid */
};

enum rc view_new(struct arena *a, struct db *db, int64_t mailbox,
                 struct view **out) RC_CHECKED;
void view_free(struct view **v);

/* What a look may say; each includes those before it. */
enum view_tell { VIEW_TELL_ADDED, VIEW_TELL_FLAGS, VIEW_TELL_EXPUNGES };

struct view_look {
    enum view_tell tell;
    struct store_body_want *bodies; /* read along, see struct store_message_look */
    size_t body_count;
    bool held; /* set: there is more than could be told; the next look finds it again */
};

/* Ask the store what is new and write it to out: EXPUNGE first, then FETCH for changed
 * flags, then EXISTS.  RC_NOT_FOUND: the mailbox is gone.  RC_CONFLICT: it has messages
 * again that the client was told are gone, which IMAP cannot say: the client must select
 * it anew. */
enum rc view_refresh(struct view *v, struct arena *a, struct db *db,
                     struct view_look *look, struct buf *out) RC_CHECKED;

size_t view_find(const struct view *v, uint32_t uid); /* index, or SIZE_MAX */
uint32_t view_last_uid(const struct view *v);         /* 0: empty */

/* The messages of a set, ascending, as indices in the arena; UIDs that are not there are
 * left out.  RC_NOT_FOUND: a sequence number is beyond the last message; in an empty
 * mailbox all are, "*" too (RFC 3501 9). */
struct view_list {
    uint32_t *index;
    size_t n;
};
enum rc view_resolve(const struct view *v, struct arena *a, str_t set, bool uids,
                     struct view_list *out) RC_CHECKED;
/* A list that a command keeps from turn to turn: meanwhile nobody changes the view. */
void view_list_keep(struct view_list *to, const struct view_list *from);
void view_list_forget(struct view_list *kept);
struct store_message_uids view_uids(const struct view *v, struct arena *a,
                                    const struct view_list *list);

/* Forget these messages; out gets the EXPUNGE lines (NULL: silently). */
void view_expunge(struct view *v, const struct store_message_uids *uids, struct buf *out);
/* The client's own change has moved the mailbox from modseq `before` to `modseq`.  False:
 * there is something between what it was told and that; it must look. */
bool view_moved(struct view *v, int64_t before, int64_t modseq);
/* The store has made this change to these messages.  It names only those that it changed
 * for that, which may lack some that the client does not know as they are. */
void view_change(struct view *v, const struct view_list *list,
                 const struct store_message_change *change);
/* Take over flags from the store; out gets FETCH lines for those that differ (NULL:
 * silently). */
void view_flags(struct view *v, const struct store_message_list *changed,
                struct buf *out);
