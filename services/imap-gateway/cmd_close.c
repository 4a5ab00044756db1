/* cmd_close.c - CLOSE: expunge silently and leave.  RFC 9051 6.4.1. */
#include "imap_expunge.h"
#include "imap_reply.h"
#include "imap_select.h"
#include "view.h"

enum cmd_result cmd_close(struct imap_cmd *cmd)
{
    enum rc rc = RC_OK;
    bool more = false;

    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "CLOSE takes no arguments");
    if (!cmd->session->view->read_only)
        rc = imap_expunge(cmd, NULL, NULL, &more);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return imap_reply_rc(cmd, rc);
    if (more)
        return CMD_MORE;
    imap_select_leave(cmd->session);
    return imap_reply_ok(cmd, "Close completed.");
}
