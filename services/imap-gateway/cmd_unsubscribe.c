/* cmd_unsubscribe.c - UNSUBSCRIBE.  RFC 9051 6.3.8. */
#include "imap_subscribe.h"

enum cmd_result cmd_unsubscribe(struct imap_cmd *cmd)
{
    return imap_subscribe(cmd, false);
}
