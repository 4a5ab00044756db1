/* cmd_getquotaroot.c - GETQUOTAROOT: every mailbox counts for the same root.
 * RFC 9208 4.1.3. */
#include "imap_args.h"
#include "imap_quota.h"
#include "imap_reply.h"

enum cmd_result cmd_getquotaroot(struct imap_cmd *cmd)
{
    str_t name;
    enum rc rc;

    if (!imap_args_mailbox(&cmd->args, &name) || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "GETQUOTAROOT needs a mailbox");
    imap_reply_text(cmd->out, "* QUOTAROOT ");
    imap_reply_mailbox(cmd->out, cmd->arena, name);
    imap_reply_text(cmd->out, " \"" IMAP_QUOTA_ROOT "\"");
    imap_reply_end(cmd->out);
    rc = imap_quota_line(cmd);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "Getquotaroot completed.");
}
