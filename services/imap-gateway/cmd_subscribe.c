/* cmd_subscribe.c - SUBSCRIBE.  RFC 9051 6.3.7. */
#include "imap_subscribe.h"

enum cmd_result cmd_subscribe(struct imap_cmd *cmd)
{
    return imap_subscribe(cmd, true);
}
