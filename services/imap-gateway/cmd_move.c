/* cmd_move.c - MOVE and UID MOVE.  RFC 9051 6.4.8. */
#include "imap_copy.h"
#include "imap_reply.h"
#include "view.h"

#include "store/store_mailbox.h"

static enum cmd_result move(struct imap_cmd *cmd, const struct view_list *list,
                            const struct store_mailbox *to)
{
    struct view *v = cmd->session->view;
    struct store_message_uids uids = view_uids(v, cmd->arena, list);
    struct store_message_copied done;
    const char *code;
    enum rc rc =
        store_message_move(cmd->arena, cmd->db, v->mailbox, to->id, &uids, &done);

    if (rc != RC_OK)
        return imap_copy_refuse(cmd, rc);
    /* RFC 9051 6.4.8: COPYUID before the EXPUNGE lines, in an untagged OK. */
    code = imap_copy_code(cmd, &done);
    if (code[0] != '\0') {
        imap_reply_text(cmd->out, "* OK [");
        imap_reply_bytes(cmd->out, str_of(code));
        imap_reply_text(cmd->out, "] Moved.");
        imap_reply_end(cmd->out);
    }
    view_expunge(v, &done.from, cmd->out);
    if (done.to.n > 0) {
        imap_command_publish(cmd, to->id, done.modseq, done.uidnext);
        imap_command_publish(cmd, v->mailbox, done.from_modseq, 0);
    }
    /* Into the mailbox itself it gives them new UIDs. */
    if (v->mailbox == to->id && done.to.n > 0)
        imap_command_look(cmd, VIEW_TELL_EXPUNGES);
    return imap_reply_ok(cmd, "Move completed.");
}

enum cmd_result cmd_move(struct imap_cmd *cmd)
{
    struct store_mailbox to;
    struct view_list list;
    enum rc rc = imap_copy_read(cmd, &list, &to);

    if (rc != RC_OK)
        return imap_copy_refuse(cmd, rc);
    if (cmd->session->view->read_only)
        return imap_reply_no(cmd, "READ-ONLY", "mailbox is read-only");
    if (list.n == 0)
        return imap_reply_ok(cmd, "Move completed.");
    return move(cmd, &list, &to);
}
