/* view.c - a mailbox as one client has been told. */
#include "view.h"

#include "imap_reply.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GROW_MIN = 8 };

_Static_assert(sizeof(struct view_row) == 24, "a row for each message of each session");
#define FLAG(id, bit, name) _Static_assert((bit) < 24, name " has no place in a row");
#include "store/flags.def"
#undef FLAG

static void append(struct view *v, const struct store_message *m)
{
    if (v->count > 0 && m->uid <= v->rows[v->count - 1].uid)
        return;
    if (v->count == v->room) {
        v->room = v->room < GROW_MIN ? GROW_MIN : v->room + v->room / 2;
        v->rows = mem_realloc(v->rows, v->room * sizeof v->rows[0]);
    }
    v->rows[v->count++] = (struct view_row){
        .body_id = m->body_id,
        .uid = m->uid,
        .flags = m->flags,
        .size = m->size,
        .idate_unix = m->idate_unix,
    };
    /* A message that was committed while we read is told together with the others. */
    if (m->uid >= v->uidnext)
        v->uidnext = m->uid + 1;
}

static void append_all(struct view *v, const struct store_message_news *news)
{
    if (news->uidnext > v->uidnext)
        v->uidnext = news->uidnext;
    for (size_t i = 0; i < news->added.n; i++)
        append(v, &news->added.m[i]);
}

enum rc view_new(struct arena *a, struct db *db, int64_t mailbox, struct view **out)
{
    struct store_message_look look = { .mailbox = mailbox, .uidnext = 1 };
    uint64_t connection = db_newest_connection();
    struct store_message_news news;
    enum rc rc = store_message_view(a, db, &look, &news);
    struct view *v;

    if (rc != RC_OK)
        return rc;
    v = mem_alloc(sizeof *v);
    v->mailbox = mailbox;
    v->modseq = news.modseq;
    v->connection = connection;
    if (news.added.n > 0) {
        v->room = (uint32_t)news.added.n;
        v->rows = mem_alloc(v->room * sizeof v->rows[0]);
    }
    append_all(v, &news);
    *out = v;
    return RC_OK;
}

void view_free(struct view **v)
{
    if (*v == NULL)
        return;
    mem_free((*v)->rows);
    mem_free(*v);
    *v = NULL;
}

/* The first of the rows with that UID or a higher one. */
static size_t lower_bound(const struct view *v, uint32_t uid)
{
    size_t low = 0, high = v->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (v->rows[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t view_find(const struct view *v, uint32_t uid)
{
    size_t at = lower_bound(v, uid);

    return at < v->count && v->rows[at].uid == uid ? at : SIZE_MAX;
}

uint32_t view_last_uid(const struct view *v)
{
    return v->count == 0 ? 0 : v->rows[v->count - 1].uid;
}

struct rows {
    size_t first, n;
};

/* The messages of a range of UIDs or of sequence numbers. */
static struct rows rows_of(const struct view *v, struct imap_range r, bool uids)
{
    size_t first = r.first > 0 ? r.first - 1 : 0;
    size_t behind = r.last < v->count ? r.last : v->count;

    if (uids) {
        first = lower_bound(v, r.first);
        behind = r.last == UINT32_MAX ? v->count : lower_bound(v, r.last + 1);
    }
    return (struct rows){ first, first < behind ? behind - first : 0 };
}

enum rc view_resolve(const struct view *v, struct arena *a, str_t text, bool uids,
                     struct view_list *out)
{
    struct imap_set set;
    enum rc rc = imap_set_parse(a, text, uids ? view_last_uid(v) : v->count, &set);

    if (rc != RC_OK)
        return rc;
    if (!uids && (v->count == 0 || set.ranges[set.count - 1].last > v->count))
        return RC_NOT_FOUND;
    /* First how many they are: one message of a hundred thousand is asked for often. */
    out->n = 0;
    for (size_t i = 0; i < set.count; i++)
        out->n += rows_of(v, set.ranges[i], uids).n;
    out->index = arena_array(a, out->n, sizeof out->index[0]);
    for (size_t i = 0, k = 0; i < set.count; i++) {
        struct rows rows = rows_of(v, set.ranges[i], uids);

        for (size_t at = 0; at < rows.n; at++)
            out->index[k++] = (uint32_t)(rows.first + at);
    }
    return RC_OK;
}

void view_list_keep(struct view_list *to, const struct view_list *from)
{
    CHECK(to->index == NULL);
    to->index = mem_alloc(from->n * sizeof to->index[0]);
    memcpy(to->index, from->index, from->n * sizeof to->index[0]);
    to->n = from->n;
}

void view_list_forget(struct view_list *kept)
{
    mem_free(kept->index);
    *kept = (struct view_list){ 0 };
}

struct store_message_uids view_uids(const struct view *v, struct arena *a,
                                    const struct view_list *list)
{
    struct store_message_uids uids = {
        .uid = arena_array(a, list->n, sizeof uids.uid[0]),
        .n = list->n,
    };

    for (size_t i = 0; i < list->n; i++)
        uids.uid[i] = v->rows[list->index[i]].uid;
    return uids;
}

void view_expunge(struct view *v, const struct store_message_uids *uids, struct buf *out)
{
    size_t kept = 0, next = 0;

    for (size_t i = 0; i < v->count; i++) {
        while (next < uids->n && uids->uid[next] < v->rows[i].uid)
            next++;
        if (next < uids->n && uids->uid[next] == v->rows[i].uid) {
            if (out != NULL)
                imap_reply_untagged(out, "%zu EXPUNGE", kept + 1);
            continue;
        }
        v->rows[kept++] = v->rows[i];
    }
    v->count = (uint32_t)kept;
}

static uint32_t changed_flags(const struct store_message_change *change, uint32_t flags)
{
    switch (change->how) {
    case STORE_MESSAGE_ADD:
        return flags | change->flags;
    case STORE_MESSAGE_REMOVE:
        return flags & ~change->flags;
    case STORE_MESSAGE_REPLACE:
        break;
    }
    return change->flags;
}

void view_change(struct view *v, const struct view_list *list,
                 const struct store_message_change *change)
{
    for (size_t i = 0; i < list->n; i++) {
        struct view_row *row = &v->rows[list->index[i]];

        row->flags = changed_flags(change, row->flags);
    }
}

void view_flags(struct view *v, const struct store_message_list *changed, struct buf *out)
{
    for (size_t i = 0; i < changed->n; i++) {
        const struct store_message *m = &changed->m[i];
        size_t at = view_find(v, m->uid);

        if (at == SIZE_MAX || v->rows[at].flags == m->flags)
            continue;
        v->rows[at].flags = m->flags;
        if (out != NULL)
            imap_reply_fetch_flags(out, at + 1, m->uid, m->flags);
    }
}

bool view_moved(struct view *v, int64_t before, int64_t modseq)
{
    if (before != v->modseq)
        return false;
    v->modseq = modseq;
    return true;
}

/* UIDs of the view that the mailbox has no more. */
static struct store_message_uids missing(const struct view *v, struct arena *a,
                                         const struct store_message_list *present)
{
    struct store_message_uids gone = {
        .uid = arena_array(a, v->count, sizeof gone.uid[0]),
    };
    size_t next = 0;

    for (size_t i = 0; i < v->count; i++) {
        while (next < present->n && present->m[next].uid < v->rows[i].uid)
            next++;
        if (next >= present->n || present->m[next].uid != v->rows[i].uid)
            gone.uid[gone.n++] = v->rows[i].uid;
    }
    return gone;
}

/* Those that the client knows with other flags. */
static struct store_message_list differing(const struct view *v, struct arena *a,
                                           const struct store_message_list *present)
{
    struct store_message_list out = {
        .m = arena_array(a, present->n, sizeof out.m[0]),
    };

    for (size_t i = 0; i < present->n; i++) {
        size_t at = view_find(v, present->m[i].uid);

        if (at != SIZE_MAX && v->rows[at].flags != present->m[i].flags)
            out.m[out.n++] = present->m[i];
    }
    return out;
}

static bool came_back(const struct view *v, const struct store_message_list *present)
{
    for (size_t i = 0; i < present->n && present->m[i].uid < v->uidnext; i++)
        if (view_find(v, present->m[i].uid) == SIZE_MAX)
            return true;
    return false;
}

/* The whole mailbox beside the view: the news are the difference. */
static enum rc compare(const struct view *v, struct arena *a, struct db *db,
                       struct store_message_news *news)
{
    const struct store_message_look all = { .mailbox = v->mailbox, .uidnext = 1 };
    enum rc rc = store_message_view(a, db, &all, news);

    if (rc != RC_OK)
        return rc;
    if (came_back(v, &news->added))
        return RC_CONFLICT;
    news->expunged = missing(v, a, &news->added);
    news->changed = differing(v, a, &news->added);
    return RC_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Only those that the client knows, ascending: the log also names messages that came and
 * went between two looks, in the order in which they went. */
static struct store_message_uids known(const struct view *v, struct arena *a,
                                       const struct store_message_uids *uids)
{
    struct store_message_uids out = {
        .uid = arena_array(a, uids->n, sizeof out.uid[0]),
    };

    for (size_t i = 0; i < uids->n; i++)
        if (view_find(v, uids->uid[i]) != SIZE_MAX)
            out.uid[out.n++] = uids->uid[i];
    if (out.n > 1)
        qsort(out.uid, out.n, sizeof out.uid[0], by_number);
    return out;
}

static enum rc read_news(const struct view *v, struct arena *a, struct db *db,
                         const struct view_look *look, struct store_message_news *news)
{
    const struct store_message_look ask = { .mailbox = v->mailbox,
                                            .uidnext = v->uidnext,
                                            .modseq = v->modseq,
                                            .bodies = look->bodies,
                                            .body_count = look->body_count };
    /* A client that deletes what it has read has nothing that could change or go. */
    enum rc rc = v->count == 0 ? store_message_view(a, db, &ask, news)
                               : store_message_news(a, db, &ask, news);

    if (rc != RC_OK)
        return rc;
    /* The log was forgotten, or PostgreSQL may have crashed since and forgotten what this
     * client knows already. */
    if (news->log_gone || news->modseq < v->modseq || db_connection(db) > v->connection)
        return compare(v, a, db, news);
    return RC_OK;
}

enum rc view_refresh(struct view *v, struct arena *a, struct db *db,
                     struct view_look *look, struct buf *out)
{
    uint64_t connection = db_newest_connection();
    struct store_message_news news;
    struct store_message_uids gone;
    uint32_t before;
    enum rc rc = read_news(v, a, db, look, &news);

    look->held = false;
    if (rc != RC_OK)
        return rc;
    gone = known(v, a, &news.expunged);
    if (look->tell >= VIEW_TELL_EXPUNGES)
        view_expunge(v, &gone, out);
    if (look->tell >= VIEW_TELL_FLAGS)
        view_flags(v, &news.changed, out);
    look->held = (gone.n > 0 && look->tell < VIEW_TELL_EXPUNGES) ||
                 (news.changed.n > 0 && look->tell < VIEW_TELL_FLAGS);
    before = v->count;
    append_all(v, &news);
    if (v->count > before)
        imap_reply_untagged(out, "%" PRIu32 " EXISTS", v->count);
    if (!look->held) {
        v->modseq = news.modseq;
        v->connection = connection;
    }
    return RC_OK;
}
