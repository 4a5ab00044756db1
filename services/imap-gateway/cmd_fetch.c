/* cmd_fetch.c - FETCH and UID FETCH.  RFC 9051 6.4.5.
 *
 * Messages are read in batches: one round trip brings the beginnings of all of them,
 * which for a chat message is all of it.  When enough has been written the command says
 * CMD_MORE and goes on from its cursor once the client has taken it, so memory does not
 * depend on what is asked for.
 * Limits: an item that needs a MIME parse holds one whole message in memory.
 */
#include "body_cache.h"
#include "fetch_plan.h"
#include "gateway.h"
#include "imap_args.h"
#include "imap_flag.h"
#include "imap_reply.h"
#include "view.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/header.h"
#include "store/store_body.h"
#include "store/store_flags.h"

#include <string.h>

enum {
    BATCH_MESSAGES = STORE_BODY_HEADS_MAX,
    BATCH_BYTES = 512 * 1024,
    HEAD_BYTES = STORE_MESSAGE_AHEAD_BYTES, /* a chat message is not longer */
    SLICE_BYTES = STORE_BODY_LARGE_CHUNK,
    HERE_MESSAGES = 32,           /* that the loop answers, */
    HERE_ITEMS = 8,               /* of each, */
    HERE_BYTES = 1024,            /* and arguments that it reads */
    TURN_BYTES = 4 * 1024 * 1024, /* of whole messages that are read in one turn */
    TURN_MESSAGES = 256,          /* that are looked up in one turn */
};

struct fetch {
    struct imap_cmd *cmd;
    struct fetch_plan plan;
    struct view_list list;
    struct store_body_want *heads; /* of list.index[batch ...] */
    size_t batch;
    size_t batch_count;
    size_t read_bytes; /* in this turn; they stay in the arena until its end */
};

enum step { STEP_DONE, STEP_FULL, STEP_GONE, STEP_BROKEN };

static const struct view_row *row_at(const struct fetch *f, size_t i)
{
    return &f->cmd->session->view->rows[f->list.index[i]];
}

/* -- \Seen -- */

/* Those of the next messages that are not; cursor->marked is behind them.  RC_OK with
 * others behind them: in the next turn. */
static enum rc mark_seen(struct fetch *f)
{
    const struct store_message_change change = {
        .how = STORE_MESSAGE_ADD,
        .flags = STORE_FLAGS_SEEN,
        .unchanged_since = -1,
    };
    struct imap_cursor *c = f->cmd->cursor;
    uint32_t index[IMAP_FLAG_TURN];
    struct view_list unseen = { .index = index };
    enum rc rc;

    for (; c->marked < f->list.n && unseen.n < IMAP_FLAG_TURN; c->marked++)
        if ((row_at(f, c->marked)->flags & STORE_FLAGS_SEEN) == 0)
            unseen.index[unseen.n++] = f->list.index[c->marked];
    rc = imap_flag(f->cmd, &unseen, &change);
    if (rc != RC_OK || c->marked == f->list.n)
        imap_flag_publish(f->cmd);
    return rc;
}

/* -- reading -- */

/* Those of the batch that were not read lately, from the store. */
static enum rc read_heads(struct fetch *f)
{
    struct body_cache *cache = f->cmd->gateway->bodies;
    struct store_body_want want[BATCH_MESSAGES];
    size_t at[BATCH_MESSAGES], n = 0;
    enum rc rc;

    for (size_t i = 0; i < f->batch_count; i++) {
        f->heads[i].head = body_cache_get(cache, f->cmd->arena, f->heads[i].body_id);
        if (f->heads[i].head.p == NULL) {
            at[n] = i;
            want[n++] = f->heads[i];
        }
    }
    if (n == 0)
        return RC_OK;
    if (f->cmd->db == NULL)
        return RC_NOT_FOUND;
    rc = store_body_heads(f->cmd->arena, f->cmd->db, want, n, HEAD_BYTES);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        f->heads[at[i]].head = want[i].head;
        if (want[i].head.n == (size_t)want[i].size)
            body_cache_put(cache, want[i].body_id, want[i].head);
    }
    return rc;
}

static bool reads_bodies(const struct fetch *f)
{
    return f->plan.need != FETCH_ROW || f->plan.streams;
}

/* No more than memory may hold, nor than the output takes: what lies behind would be read
 * again in the next turn. */
static size_t batch_length(const struct fetch *f, size_t from)
{
    size_t left = f->list.n - from, read = 0, written = 0, n = 0;

    while (n < left && n < BATCH_MESSAGES && read < BATCH_BYTES &&
           written < IMAP_REPLY_SOFT) {
        size_t size = (size_t)row_at(f, from + n++)->size;

        read += size < HEAD_BYTES ? size : HEAD_BYTES;
        written += f->plan.streams ? size : 0;
    }
    return n;
}

/* The beginnings of the messages from list.index[from] on. */
static enum rc read_batch(struct fetch *f, size_t from)
{
    f->batch = from;
    f->batch_count = batch_length(f, from);
    if (!reads_bodies(f))
        return RC_OK;
    f->heads = arena_array(f->cmd->arena, f->batch_count, sizeof f->heads[0]);
    for (size_t i = 0; i < f->batch_count; i++) {
        const struct view_row *row = row_at(f, from + i);

        f->heads[i] = (struct store_body_want){ row->body_id, row->size, { 0 } };
    }
    return read_heads(f);
}

/* The whole message, from the head if that is all of it. */
static enum rc whole(struct fetch *f, const struct view_row *row, str_t head, str_t *out)
{
    if (head.n >= (size_t)row->size) {
        *out = head;
        return RC_OK;
    }
    return store_body_read(f->cmd->arena, f->cmd->db, row->body_id, row->size, 0,
                           (size_t)row->size, out);
}

static bool has_whole_header(const struct view_row *row, str_t head)
{
    return head.n >= (size_t)row->size || header_end(head) < head.n;
}

static enum rc header(struct fetch *f, const struct view_row *row, str_t head, str_t *out)
{
    enum rc rc = RC_OK;

    if (!has_whole_header(row, head))
        rc = store_body_read(f->cmd->arena, f->cmd->db, row->body_id, row->size, 0,
                             HEADER_MAX_BYTES, &head);
    if (rc == RC_OK)
        *out = str_head(head, header_end(head));
    return rc;
}

/* What the plan needs of one message.  RC_NOT_FOUND: it has expired. */
static enum rc read_subject(struct fetch *f, size_t i, struct fetch_subject *s)
{
    str_t head;
    enum rc rc = RC_OK;

    *s = (struct fetch_subject){ .arena = f->cmd->arena, .row = row_at(f, i) };
    if (f->heads == NULL)
        return RC_OK;
    head = f->heads[i - f->batch].head;
    if (head.p == NULL)
        return RC_NOT_FOUND;
    if (f->plan.need == FETCH_MESSAGE)
        rc = whole(f, s->row, head, &s->message);
    f->read_bytes += s->message.n;
    if (rc == RC_OK && s->message.p != NULL)
        s->header = str_head(s->message, header_end(s->message));
    else if (rc == RC_OK && f->plan.need == FETCH_HEADER)
        rc = header(f, s->row, head, &s->header);
    return rc;
}

/* -- writing -- */

/* [bytes] of the message that a FETCH_STREAM item shows. */
static uint64_t stream_bytes(const struct fetch_item *item, const struct view_row *row)
{
    uint64_t size = (uint64_t)row->size;

    if (!item->partial)
        return size;
    if (item->first >= size)
        return 0;
    return size - item->first < item->length ? size - item->first : item->length;
}

/* Slices of a message until it is out or the output is full.  cursor->offset counts from
 * 1, so that an item whose label is out already can be told from a new one. */
static enum step stream(struct fetch *f, size_t i, const struct fetch_item *item)
{
    struct imap_cursor *c = f->cmd->cursor;
    const struct view_row *row = row_at(f, i);
    str_t head = f->heads[i - f->batch].head;
    uint64_t total = stream_bytes(item, row);

    if (c->offset == 0) {
        fetch_plan_label(f->cmd->out, item);
        imap_reply_text(f->cmd->out, " ");
        imap_reply_literal_head(f->cmd->out, total);
        c->offset = 1;
    }
    while (c->offset - 1 < total) {
        uint64_t done = c->offset - 1, from = done + (item->partial ? item->first : 0);
        /* Up to the next border of a chunk, so that no chunk is read twice. */
        size_t aligned = SLICE_BYTES - (size_t)(from % SLICE_BYTES);
        size_t want = total - done < aligned ? (size_t)(total - done) : aligned;
        str_t bytes = str_head(str_skip(head, (size_t)from), want);

        if (f->cmd->out->n >= IMAP_REPLY_SOFT)
            return STEP_FULL;
        if (bytes.n == 0 &&
            store_body_read(f->cmd->arena, f->cmd->db, row->body_id, row->size,
                            (int64_t)from, want, &bytes) != RC_OK)
            return STEP_BROKEN;
        if (bytes.n == 0)
            return STEP_BROKEN;
        imap_reply_bytes(f->cmd->out, bytes);
        c->offset += bytes.n;
    }
    c->offset = 0;
    return STEP_DONE;
}

static enum step write_items(struct fetch *f, size_t i, const struct fetch_subject *s)
{
    struct imap_cursor *c = f->cmd->cursor;
    struct buf *out = f->cmd->out;

    for (; c->item < f->plan.count; c->item++) {
        const struct fetch_item *item = &f->plan.items[c->item];

        if (out->n >= IMAP_REPLY_SOFT)
            return STEP_FULL;
        if (c->item > 0 && c->offset == 0)
            imap_reply_text(out, " ");
        /* Beside an item that needs the whole message it is there already. */
        if (item->need == FETCH_STREAM && f->plan.need != FETCH_MESSAGE) {
            enum step step = stream(f, i, item);

            if (step != STEP_DONE)
                return step;
        } else {
            item->row->write(out, item, s);
        }
    }
    return STEP_DONE;
}

static enum step write_message(struct fetch *f, size_t i)
{
    struct imap_cursor *c = f->cmd->cursor;
    struct fetch_subject subject;
    enum rc rc = read_subject(f, i, &subject);
    enum step step;

    /* Gone between two slices, a literal cannot be finished. */
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND && !c->open ? STEP_GONE : STEP_BROKEN;
    if (!c->open) {
        imap_reply_text(f->cmd->out, "* %u FETCH (", f->list.index[i] + 1);
        c->open = true;
    }
    step = write_items(f, i, &subject);
    if (step != STEP_DONE)
        return step;
    imap_reply_text(f->cmd->out, ")");
    imap_reply_end(f->cmd->out);
    c->open = false;
    c->item = 0;
    return STEP_DONE;
}

static enum cmd_result run(struct fetch *f)
{
    struct imap_cursor *c = f->cmd->cursor;
    size_t until = reads_bodies(f) ? c->row + TURN_MESSAGES : SIZE_MAX;

    for (; c->row < f->list.n; c->row++) {
        enum step step;

        if (c->row == until || f->cmd->out->n >= IMAP_REPLY_SOFT ||
            f->read_bytes >= TURN_BYTES)
            return CMD_MORE;
        if (f->batch_count == 0 || c->row >= f->batch + f->batch_count) {
            enum rc rc = read_batch(f, c->row);

            if (rc != RC_OK)
                return c->open ? CMD_CLOSE : imap_reply_rc(f->cmd, rc);
        }
        step = write_message(f, c->row);
        if (step == STEP_FULL)
            return CMD_MORE;
        if (step == STEP_BROKEN)
            return c->open ? CMD_CLOSE : imap_reply_rc(f->cmd, RC_RETRY);
    }
    return imap_reply_ok(f->cmd, "Fetch completed.");
}

/* On the loop: what is asked for was read lately, is short and needs no MIME walk. */
static enum cmd_result run_here(struct fetch *f)
{
    size_t before = f->cmd->out->n, bytes = 0;
    enum cmd_result result;

    if (f->plan.sets_seen || f->plan.need == FETCH_MESSAGE ||
        f->plan.count > HERE_ITEMS || f->list.n > HERE_MESSAGES)
        return CMD_AWAY;
    for (size_t i = 0; i < f->list.n; i++)
        bytes += (size_t)row_at(f, i)->size;
    if (bytes > IMAP_REPLY_SOFT || (f->list.n > 0 && read_batch(f, 0) != RC_OK))
        return CMD_AWAY;
    result = run(f);
    if (result != CMD_MORE)
        return result;
    buf_truncate(f->cmd->out, before);
    return CMD_AWAY;
}

enum cmd_result cmd_fetch(struct imap_cmd *cmd)
{
    struct fetch *f = arena_alloc(cmd->arena, sizeof *f);
    enum cmd_result result;
    enum rc rc;

    if (cmd->db == NULL && cmd->args.end - cmd->args.p > HERE_BYTES)
        return CMD_AWAY;
    f->cmd = cmd;
    rc = imap_args_messages(cmd, &f->list);
    if (rc == RC_OK)
        rc = fetch_plan_read(&cmd->args, cmd->row->flags & ROW_UID, &f->plan);
    if (rc != RC_OK)
        return imap_reply_args(cmd, "FETCH needs messages and items");
    if (cmd->db == NULL)
        return run_here(f);
    if (f->plan.sets_seen && !cmd->session->view->read_only) {
        rc = mark_seen(f);
        if (rc != RC_OK)
            return imap_reply_rc(cmd, rc);
        if (cmd->cursor->marked < f->list.n)
            return imap_args_more(cmd, &f->list);
    }
    result = run(f);
    return result == CMD_MORE ? imap_args_more(cmd, &f->list) : result;
}
