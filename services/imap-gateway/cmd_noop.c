/* cmd_noop.c - NOOP: its row asks for the look at the mailbox.  RFC 9051 6.1.2. */
#include "imap_reply.h"

enum cmd_result cmd_noop(struct imap_cmd *cmd)
{
    return imap_reply_ok(cmd, "NOOP completed.");
}
