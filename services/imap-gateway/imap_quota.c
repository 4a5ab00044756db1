/* imap_quota.c - the one quota root of an account. */
#include "imap_quota.h"

#include "imap_reply.h"

#include "store/store_mailbox.h"

#include <inttypes.h>

enum { KIB = 1024 };

enum rc imap_quota_line(struct imap_cmd *cmd)
{
    struct store_mailbox_quota quota;
    enum rc rc = store_mailbox_quota(cmd->db, cmd->session->account, &quota);

    if (rc == RC_OK)
        imap_reply_untagged(
            cmd->out, "QUOTA \"" IMAP_QUOTA_ROOT "\" (STORAGE %" PRId64 " %" PRId64 ")",
            (quota.used_bytes + KIB - 1) / KIB, quota.limit_bytes / KIB);
    return rc;
}
