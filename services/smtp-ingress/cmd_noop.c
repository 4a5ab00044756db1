/* cmd_noop.c - NOOP does nothing.  RFC 5321 4.1.1.9. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_noop(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 250, "2.0.0", S("Ok"));
    return CMD_DONE;
}
