/* cmd_unselect.c - UNSELECT: leave without expunge.  RFC 3691. */
#include "imap_reply.h"
#include "imap_select.h"

enum cmd_result cmd_unselect(struct imap_cmd *cmd)
{
    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "UNSELECT takes no arguments");
    imap_select_leave(cmd->session);
    return imap_reply_ok(cmd, "Unselect completed.");
}
