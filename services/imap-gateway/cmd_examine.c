/* cmd_examine.c - EXAMINE.  RFC 9051 6.3.3. */
#include "imap_select.h"

enum cmd_result cmd_examine(struct imap_cmd *cmd)
{
    return imap_select_mailbox(cmd, true);
}
