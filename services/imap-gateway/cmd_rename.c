/* cmd_rename.c - RENAME, what lies below included.  RFC 9051 6.3.6. */
#include "imap_args.h"
#include "imap_name.h"
#include "imap_reply.h"

#include "store/store_mailbox.h"

enum cmd_result cmd_rename(struct imap_cmd *cmd)
{
    struct store_mailbox box, other;
    str_t from, to;
    enum rc rc;

    if (!imap_args_mailbox(&cmd->args, &from) || !imap_args_mailbox(&cmd->args, &to) ||
        !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "RENAME needs two names");
    if (str_eq(from, S("INBOX")) || str_eq(to, S("INBOX")))
        return imap_reply_no(cmd, "CANNOT", "INBOX is not renamed");
    rc = store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, from, &box);
    if (rc == RC_OK && store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, to,
                                          &other) == RC_OK)
        rc = RC_EXISTS;
    if (rc == RC_OK)
        rc = store_mailbox_rename(cmd->db, box.id, to, IMAP_NAME_SEPARATOR);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "Rename completed.");
}
