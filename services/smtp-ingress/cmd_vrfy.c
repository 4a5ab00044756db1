/* cmd_vrfy.c - VRFY tells nothing, the same for everybody (chatmail spec 2.2).
 * RFC 5321 7.3. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_vrfy(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 252, "2.0.0", S("Send some mail, it is tried to deliver"));
    return CMD_DONE;
}
