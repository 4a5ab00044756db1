/* cmd_expunge.c - EXPUNGE and UID EXPUNGE.  RFC 9051 6.4.3, 6.4.9. */
#include "imap_args.h"
#include "imap_expunge.h"
#include "imap_reply.h"
#include "view.h"

enum cmd_result cmd_expunge(struct imap_cmd *cmd)
{
    bool some = cmd->row->flags & ROW_UID;
    struct view_list list;
    enum rc rc = RC_OK;
    bool more;

    if (some)
        rc = imap_args_messages(cmd, &list);
    if (rc != RC_OK || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, some ? "UID EXPUNGE needs messages"
                                         : "EXPUNGE takes no arguments");
    if (cmd->session->view->read_only)
        return imap_reply_no(cmd, "READ-ONLY", "mailbox is read-only");
    rc = imap_expunge(cmd, some ? &list : NULL, cmd->out, &more);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    if (more)
        return CMD_MORE;
    return imap_reply_ok(cmd, "Expunge completed.");
}
