/* cmd_status.c - STATUS.  RFC 9051 6.3.11. */
#include "imap_args.h"
#include "imap_reply.h"
#include "imap_status.h"

#include "store/store_mailbox.h"

enum cmd_result cmd_status(struct imap_cmd *cmd)
{
    struct store_mailbox_counts counts;
    struct store_mailbox box;
    unsigned items;
    str_t name;
    enum rc rc;

    if (!imap_args_mailbox(&cmd->args, &name) || !imap_parser_space(&cmd->args) ||
        !imap_status_items(&cmd->args, &items) || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "STATUS needs a mailbox and a list of items");
    rc = store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, name, &box);
    if (rc == RC_OK)
        rc = store_mailbox_counts(cmd->db, box.id, &counts);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    imap_status_line(cmd->out, cmd->arena, name, items, &counts);
    return imap_reply_ok(cmd, "Status completed.");
}
