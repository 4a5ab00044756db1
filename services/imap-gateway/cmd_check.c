/* cmd_check.c - CHECK: everything is on disk already, so like NOOP.  RFC 3501 6.4.1. */
#include "imap_reply.h"

enum cmd_result cmd_check(struct imap_cmd *cmd)
{
    return imap_reply_ok(cmd, "Check completed.");
}
