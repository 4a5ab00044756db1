/* imap_copy.c - what COPY and MOVE have in common. */
#include "imap_copy.h"

#include "imap_args.h"
#include "imap_reply.h"
#include "view.h"

#include "base/arena.h"
#include "base/buf.h"
#include "store/store_mailbox.h"

enum { CODE_MAX = 64 * 1024 };

enum rc imap_copy_read(struct imap_cmd *cmd, struct view_list *list,
                       struct store_mailbox *to)
{
    enum rc rc = imap_args_messages(cmd, list);
    str_t name;

    if (rc != RC_OK || !imap_args_mailbox(&cmd->args, &name) ||
        !imap_parser_end(&cmd->args))
        return RC_INVALID;
    return store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, name, to);
}

enum cmd_result imap_copy_refuse(struct imap_cmd *cmd, enum rc rc)
{
    switch (rc) {
    case RC_INVALID:
        return imap_reply_args(cmd, "messages and a mailbox are needed");
    case RC_NOT_FOUND:
        return imap_reply_no(cmd, "TRYCREATE", "no such mailbox");
    case RC_LIMIT:
        return imap_reply_no(cmd, "OVERQUOTA",
                             "Quota exceeded (mailbox for user is full)");
    default:
        return imap_reply_rc(cmd, rc);
    }
}

const char *imap_copy_code(struct imap_cmd *cmd, const struct store_message_copied *done)
{
    struct buf *code = arena_buf(cmd->arena, CODE_MAX);

    if (done->to.n == 0)
        return "";
    imap_reply_text(code, "COPYUID %u ", done->uidvalidity);
    imap_reply_set(code, done->from.uid, done->from.n);
    imap_reply_text(code, " ");
    imap_reply_set(code, done->to.uid, done->to.n);
    /* Half a set would be a lie; the code is only a help. */
    return code->full ? "" : arena_cstr(cmd->arena, buf_str(code));
}
