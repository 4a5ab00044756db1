/* cmd_copy.c - COPY and UID COPY.  RFC 9051 6.4.7. */
#include "imap_copy.h"
#include "imap_reply.h"
#include "view.h"

#include "store/store_mailbox.h"

enum cmd_result cmd_copy(struct imap_cmd *cmd)
{
    const struct view *v = cmd->session->view;
    struct store_message_copied done = { 0 };
    struct store_message_uids uids;
    struct store_mailbox to;
    struct view_list list;
    enum rc rc = imap_copy_read(cmd, &list, &to);

    if (rc != RC_OK)
        return imap_copy_refuse(cmd, rc);
    if (list.n > 0) {
        uids = view_uids(v, cmd->arena, &list);
        rc = store_message_copy(cmd->arena, cmd->db, v->mailbox, to.id, &uids, &done);
    }
    if (rc != RC_OK)
        return imap_copy_refuse(cmd, rc);
    if (done.to.n > 0)
        imap_command_publish(cmd, to.id, done.modseq, done.uidnext);
    if (v->mailbox == to.id && done.to.n > 0)
        imap_command_look(cmd, cmd->row->flags & ROW_UID ? VIEW_TELL_EXPUNGES
                                                         : VIEW_TELL_FLAGS);
    return imap_reply_ok_code(cmd, imap_copy_code(cmd, &done), "Copy completed.");
}
