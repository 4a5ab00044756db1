/* cmd_logout.c - LOGOUT.  RFC 9051 6.1.3. */
#include "imap_reply.h"

enum cmd_result cmd_logout(struct imap_cmd *cmd)
{
    imap_reply_bye(cmd->out, "Logging out");
    imap_reply_ok(cmd, "Logout completed.");
    return CMD_CLOSE;
}
