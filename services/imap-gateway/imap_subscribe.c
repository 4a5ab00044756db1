/* imap_subscribe.c - SUBSCRIBE and UNSUBSCRIBE.  RFC 9051 6.3.7. */
#include "imap_subscribe.h"

#include "imap_args.h"
#include "imap_reply.h"

#include "store/store_mailbox.h"

enum cmd_result imap_subscribe(struct imap_cmd *cmd, bool on)
{
    struct store_mailbox box;
    enum rc rc = imap_args_find_mailbox(cmd, &box);

    if (rc == RC_INVALID || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "the name of a mailbox is needed");
    if (rc == RC_OK)
        rc = store_mailbox_subscribe(cmd->db, box.id, on);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, on ? "Subscribe completed." : "Unsubscribe completed.");
}
