/* cmd_list.c - LIST.  RFC 9051 6.3.9. */
#include "imap_list.h"
#include "imap_reply.h"

enum cmd_result cmd_list(struct imap_cmd *cmd)
{
    struct imap_list_request request;
    enum rc rc;

    if (!imap_list_read(cmd, &request))
        return imap_reply_args(cmd, "LIST needs a reference and a pattern");
    rc = imap_list_run(cmd, &request);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "List completed.");
}
