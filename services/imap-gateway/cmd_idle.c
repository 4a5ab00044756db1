/* cmd_idle.c - IDLE.  What came just before is told as well: the session keeps hints
 * while commands run, and if it has one, or its subscription is too young to bring them
 * all, it looks at the store right behind this.  RFC 2177. */
#include "imap_reply.h"

enum cmd_result cmd_idle(struct imap_cmd *cmd)
{
    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "IDLE takes no arguments");
    imap_reply_continue(cmd->out, "idling");
    return CMD_IDLE;
}
