/* cmd_append.c - APPEND: the session has spooled the message beforehand.
 * RFC 9051 6.3.12, APPENDUID: RFC 4315 3. */
#include "imap_args.h"
#include "imap_reply.h"
#include "view.h"

#include "base/arena.h"
#include "store/store_mailbox.h"
#include "store/store_message.h"

#include <inttypes.h>

static enum cmd_result refuse(struct imap_cmd *cmd, enum rc rc)
{
    if (rc == RC_NOT_FOUND)
        return imap_reply_no(cmd, "TRYCREATE", "no such mailbox");
    if (rc == RC_LIMIT)
        return imap_reply_no(cmd, "OVERQUOTA",
                             "Quota exceeded (mailbox for user is full)");
    return imap_reply_rc(cmd, rc);
}

enum cmd_result cmd_append(struct imap_cmd *cmd)
{
    const struct view *view = cmd->session->view;
    struct imap_args_append args;
    struct store_message_append m;
    struct store_mailbox box;
    enum rc rc;

    if (!imap_args_append(&cmd->args, &args) || cmd->message.n == 0)
        return imap_reply_args(cmd, "APPEND needs a mailbox and a message");
    if (str_find_char(cmd->message, '\0') != SIZE_MAX)
        return imap_reply_bad(cmd, "a message has no NUL bytes");
    rc = store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, args.mailbox,
                            &box);
    if (rc != RC_OK)
        return refuse(cmd, rc);
    m = (struct store_message_append){
        .message = cmd->message,
        .flags = args.flags,
        .idate_unix = args.idate_unix,
        .dated = args.dated,
    };
    rc = store_message_append(cmd->db, box.id, &m);
    if (rc != RC_OK)
        return refuse(cmd, rc);
    imap_command_publish(cmd, box.id, m.modseq, m.uidnext);
    if (view != NULL && view->mailbox == box.id)
        imap_command_look(cmd, VIEW_TELL_EXPUNGES);
    return imap_reply_ok_code(
        cmd,
        arena_printf(cmd->arena, "APPENDUID %" PRIu32 " %" PRIu32, m.uidvalidity, m.uid),
        args.other_flags ? "Append completed but for flags that are not kept."
                         : "Append completed.");
}
