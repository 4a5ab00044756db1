/* cmd_capability.c - CAPABILITY.  RFC 9051 6.1.1. */
#include "imap_reply.h"

enum cmd_result cmd_capability(struct imap_cmd *cmd)
{
    imap_reply_untagged(cmd->out, "CAPABILITY %s", imap_reply_capabilities(cmd));
    return imap_reply_ok(cmd, "Capability completed.");
}
