/* cmd_quit.c - QUIT.  RFC 5321 4.1.1.10. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_quit(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 221, "2.0.0", S("Bye"));
    return CMD_CLOSE;
}
