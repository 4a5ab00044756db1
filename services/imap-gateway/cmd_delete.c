/* cmd_delete.c - DELETE.  RFC 9051 6.3.5. */
#include "imap_args.h"
#include "imap_reply.h"
#include "imap_select.h"
#include "view.h"

#include "store/store_mailbox.h"

enum cmd_result cmd_delete(struct imap_cmd *cmd)
{
    struct store_mailbox box;
    struct view *view = cmd->session->view;
    enum rc rc = imap_args_find_mailbox(cmd, &box);

    if (rc == RC_INVALID || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "DELETE needs the name of a mailbox");
    if (rc == RC_OK)
        rc = store_mailbox_delete(cmd->db, box.id);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    /* Who deletes the mailbox that is open has left it. */
    if (view != NULL && view->mailbox == box.id)
        imap_select_leave(cmd->session);
    /* More than anybody knows of it, unless it has changed just now: then the poll tells
     * who idles there. */
    imap_command_publish(cmd, box.id, box.modseq + 1, 0);
    return imap_reply_ok(cmd, "Delete completed.");
}
