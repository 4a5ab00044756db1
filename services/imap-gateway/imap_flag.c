/* imap_flag.c - change flags of messages of the selected mailbox, turn by turn. */
#include "imap_flag.h"

#include "view.h"

#include "base/log.h"
#include "store/store_message.h"

enum rc imap_flag(struct imap_cmd *cmd, const struct view_list *list,
                  const struct store_message_change *change)
{
    struct view *v = cmd->session->view;
    struct store_message_flagged done;
    struct store_message_uids uids;
    enum rc rc;

    CHECK(list->n <= IMAP_FLAG_TURN);
    if (list->n == 0)
        return RC_OK;
    uids = view_uids(v, cmd->arena, list);
    rc = store_message_flag(cmd->arena, cmd->db, v->mailbox, &uids, change, &done, NULL);
    if (rc != RC_OK)
        return rc;
    view_change(v, list, change);
    view_flags(v, &done.changed, NULL);
    imap_command_changed(cmd, done.before, done.modseq);
    return RC_OK;
}

void imap_flag_publish(struct imap_cmd *cmd)
{
    imap_command_publish(cmd, cmd->session->view->mailbox, cmd->cursor->modseq, 0);
    cmd->cursor->modseq = 0;
}
