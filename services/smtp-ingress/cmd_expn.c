/* cmd_expn.c - EXPN: there are no lists, and whose they would be is nobody's business.
 * RFC 5321 3.5.3, 4.2.2. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_expn(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 502, "5.5.1", S("There are no lists here"));
    return CMD_FAIL;
}
