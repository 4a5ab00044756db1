/* cmd_store.c - STORE and UID STORE.  RFC 9051 6.4.6. */
#include "imap_args.h"
#include "imap_reply.h"
#include "view.h"

#include "store/store_message.h"

static const struct {
    const char *word;
    enum store_message_how how;
    bool silent;
} words[] = {
    { "FLAGS", STORE_MESSAGE_REPLACE, false },
    { "FLAGS.SILENT", STORE_MESSAGE_REPLACE, true },
    { "+FLAGS", STORE_MESSAGE_ADD, false },
    { "+FLAGS.SILENT", STORE_MESSAGE_ADD, true },
    { "-FLAGS", STORE_MESSAGE_REMOVE, false },
    { "-FLAGS.SILENT", STORE_MESSAGE_REMOVE, true },
};

static bool read_change(struct imap_parser *in, struct store_message_change *change,
                        bool *silent)
{
    str_t word;

    *change = (struct store_message_change){ .unchanged_since = -1 };
    if (!imap_parser_space(in) || !imap_parser_atom(in, &word))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(word, str_of(words[i].word))) {
            change->how = words[i].how;
            *silent = words[i].silent;
            return imap_args_flags(in, true, &change->flags) && imap_parser_end(in);
        }
    }
    return false;
}

/* Who asked is told all flags, changed or not. */
static void tell(struct imap_cmd *cmd, const struct view_list *list)
{
    const struct view *v = cmd->session->view;

    for (size_t i = 0; i < list->n; i++) {
        const struct view_row *row = &v->rows[list->index[i]];

        imap_reply_fetch_flags(cmd->out, list->index[i] + 1, row->uid, row->flags);
    }
}

enum cmd_result cmd_store(struct imap_cmd *cmd)
{
    struct view *v = cmd->session->view;
    struct store_message_change change;
    struct store_message_list changed;
    struct store_message_uids uids;
    struct view_list list;
    bool silent;
    enum rc rc = imap_args_messages(cmd, &list);

    if (rc != RC_OK || !read_change(&cmd->args, &change, &silent))
        return imap_reply_args(cmd, "STORE needs messages, an action and flags");
    if (v->read_only)
        return imap_reply_no(cmd, "READ-ONLY", "mailbox is read-only");
    if (list.n == 0)
        return imap_reply_ok(cmd, "Store completed.");
    uids = view_uids(v, cmd->arena, &list);
    rc = store_message_flag(cmd->arena, cmd->db, v->mailbox, &uids, &change, &changed,
                            NULL);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    view_change(v, &list, &change);
    view_flags(v, &changed, NULL);
    if (changed.n > 0)
        imap_command_publish(cmd, v->mailbox, changed.m[0].modseq, 0);
    if (!silent)
        tell(cmd, &list);
    return imap_reply_ok(cmd, "Store completed.");
}
