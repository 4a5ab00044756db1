/* imap_expunge.c - remove \Deleted messages of the selected mailbox. */
#include "imap_expunge.h"

#include "view.h"

#include "base/arena.h"
#include "store/store_flags.h"

enum { TURN = 500 };

struct turn {
    struct view_list deleted;
    uint32_t uid; /* the last that was looked at */
    bool more;
};

/* The next that the client knows as \Deleted, of the list or (NULL) of all. */
static struct turn next_deleted(const struct imap_cmd *cmd, const struct view_list *list)
{
    const struct view *v = cmd->session->view;
    size_t n = list != NULL ? list->n : v->count;
    struct turn t = { .deleted.index = arena_array(cmd->arena, TURN, sizeof(uint32_t)),
                      .uid = cmd->cursor->uid };

    for (size_t i = 0; i < n; i++) {
        uint32_t at = list != NULL ? list->index[i] : (uint32_t)i;

        if (v->rows[at].uid <= cmd->cursor->uid)
            continue;
        t.more = t.deleted.n == TURN;
        if (t.more)
            break;
        if (v->rows[at].flags & STORE_FLAGS_DELETED)
            t.deleted.index[t.deleted.n++] = at;
        t.uid = v->rows[at].uid;
    }
    return t;
}

static enum rc expunge(struct imap_cmd *cmd, const struct view_list *deleted,
                       struct buf *out)
{
    struct view *v = cmd->session->view;
    struct store_message_uids uids = view_uids(v, cmd->arena, deleted);
    struct store_message_expunged done;
    enum rc rc;

    if (uids.n == 0)
        return RC_OK;
    rc = store_message_expunge(cmd->arena, cmd->db, v->mailbox, &uids, true, &done);
    if (rc != RC_OK)
        return rc;
    view_expunge(v, &done.uids, out);
    imap_command_changed(cmd, done.before, done.modseq);
    return RC_OK;
}

enum rc imap_expunge(struct imap_cmd *cmd, const struct view_list *list, struct buf *out,
                     bool *more)
{
    struct imap_cursor *c = cmd->cursor;
    struct turn turn = next_deleted(cmd, list);
    enum rc rc = expunge(cmd, &turn.deleted, out);

    *more = rc == RC_OK && turn.more;
    c->started = true;
    c->uid = turn.uid;
    if (!*more) {
        imap_command_publish(cmd, cmd->session->view->mailbox, c->modseq, 0);
        c->modseq = 0;
    }
    return rc;
}
