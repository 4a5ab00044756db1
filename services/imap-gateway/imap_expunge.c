/* imap_expunge.c - remove \Deleted messages of the selected mailbox. */
#include "imap_expunge.h"

#include "view.h"

#include "base/arena.h"
#include "store/store_flags.h"

static struct view_list all(const struct imap_cmd *cmd)
{
    const struct view *v = cmd->session->view;
    struct view_list list = {
        .index = arena_array(cmd->arena, v->count, sizeof list.index[0]),
        .n = v->count,
    };

    for (uint32_t i = 0; i < v->count; i++)
        list.index[i] = i;
    return list;
}

enum rc imap_expunge(struct imap_cmd *cmd, const struct view_list *list, struct buf *out)
{
    struct view *v = cmd->session->view;
    struct view_list from = list != NULL ? *list : all(cmd);
    struct view_list deleted = {
        .index = arena_array(cmd->arena, from.n, sizeof deleted.index[0]),
    };
    struct store_message_expunged done;
    struct store_message_uids uids;
    enum rc rc;

    for (size_t i = 0; i < from.n; i++)
        if (v->rows[from.index[i]].flags & STORE_FLAGS_DELETED)
            deleted.index[deleted.n++] = from.index[i];
    if (deleted.n == 0)
        return RC_OK;
    uids = view_uids(v, cmd->arena, &deleted);
    rc = store_message_expunge(cmd->arena, cmd->db, v->mailbox, &uids, true, &done);
    if (rc != RC_OK)
        return rc;
    view_expunge(v, &done.uids, out);
    imap_command_publish(cmd, v->mailbox, done.modseq, 0);
    return RC_OK;
}
