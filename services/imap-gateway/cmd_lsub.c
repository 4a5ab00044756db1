/* cmd_lsub.c - LSUB.  RFC 3501 6.3.9. */
#include "imap_list.h"
#include "imap_reply.h"

enum cmd_result cmd_lsub(struct imap_cmd *cmd)
{
    struct imap_list_request request;
    enum rc rc;

    if (!imap_list_read(cmd, &request))
        return imap_reply_args(cmd, "LSUB needs a reference and a pattern");
    request.only_subscribed = true;
    request.show_subscribed = false;
    request.lsub = true;
    rc = imap_list_run(cmd, &request);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "Lsub completed.");
}
