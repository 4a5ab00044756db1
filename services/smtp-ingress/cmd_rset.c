/* cmd_rset.c - RSET forgets the transaction.  RFC 5321 4.1.1.5. */
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_rset(struct smtp_cmd *cmd)
{
    smtp_reply_put(cmd->out, 250, "2.0.0", S("Ok"));
    return CMD_DONE;
}
