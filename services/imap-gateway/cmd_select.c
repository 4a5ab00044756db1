/* cmd_select.c - SELECT.  RFC 9051 6.3.2. */
#include "imap_select.h"

enum cmd_result cmd_select(struct imap_cmd *cmd)
{
    return imap_select_mailbox(cmd, false);
}
