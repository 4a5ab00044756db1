/* cmd_help.c - HELP points to the standard.  RFC 5321 4.1.1.8. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_help(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 214, "2.0.0", S("See RFC 5321"));
    return CMD_DONE;
}
