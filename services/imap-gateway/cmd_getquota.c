/* cmd_getquota.c - GETQUOTA.  RFC 9208 4.1.2. */
#include "imap_quota.h"
#include "imap_reply.h"

enum cmd_result cmd_getquota(struct imap_cmd *cmd)
{
    str_t root;
    enum rc rc;

    if (!imap_parser_space(&cmd->args) || !imap_parser_astring(&cmd->args, &root) ||
        !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "GETQUOTA needs a quota root");
    if (!str_eq(root, S(IMAP_QUOTA_ROOT)))
        return imap_reply_no(cmd, "NONEXISTENT", "no such quota root");
    rc = imap_quota_line(cmd);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "Getquota completed.");
}
