/* cmd_create.c - CREATE, the levels above included.  RFC 9051 6.3.4. */
#include "imap_args.h"
#include "imap_name.h"
#include "imap_reply.h"
#include "imap_use.h"

#include "store/store_mailbox.h"

/* A last separator only announces that there will be mailboxes below. */
static bool read_name(struct imap_parser *in, str_t *utf8)
{
    str_t wire;

    if (!imap_parser_space(in) || !imap_parser_mailbox(in, &wire))
        return false;
    if (wire.n > 1 && wire.p[wire.n - 1] == IMAP_NAME_SEPARATOR)
        wire.n--;
    return imap_args_name(in, wire, utf8) && imap_parser_end(in);
}

static enum rc create(struct imap_cmd *cmd, str_t name)
{
    int64_t id;

    return store_mailbox_create(cmd->db, cmd->session->account, name,
                                imap_use_of_name(name), &id);
}

enum cmd_result cmd_create(struct imap_cmd *cmd)
{
    str_t name;
    enum rc rc = RC_OK;

    if (!read_name(&cmd->args, &name))
        return imap_reply_args(cmd, "CREATE needs the name of a mailbox");
    for (size_t i = 1; i < name.n && (rc == RC_OK || rc == RC_EXISTS); i++)
        if (name.p[i] == IMAP_NAME_SEPARATOR)
            rc = create(cmd, str_head(name, i));
    if (rc == RC_OK || rc == RC_EXISTS)
        rc = create(cmd, name);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, "Create completed.");
}
