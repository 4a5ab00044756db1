/* cmd_idle.c - IDLE; the session looks at the store right behind it, so that what came
 * just before is told as well.  RFC 2177. */
#include "imap_reply.h"

enum cmd_result cmd_idle(struct imap_cmd *cmd)
{
    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "IDLE takes no arguments");
    imap_reply_continue(cmd->out, "idling");
    return CMD_IDLE;
}
