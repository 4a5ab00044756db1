/* cmd_store.c - STORE and UID STORE.  RFC 9051 6.4.6. */
#include "imap_args.h"
#include "imap_flag.h"
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
                        bool *silent, bool *others)
{
    str_t word;

    *change = (struct store_message_change){ .unchanged_since = -1 };
    if (!imap_parser_space(in) || !imap_parser_atom(in, &word))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(word, str_of(words[i].word))) {
            change->how = words[i].how;
            *silent = words[i].silent;
            return imap_args_flags(in, true, &change->flags, others) &&
                   imap_parser_end(in);
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

/* The messages of this turn; cursor->row is behind them. */
static struct view_list next_messages(struct imap_cursor *c, const struct view_list *all)
{
    size_t left = all->n - c->row;
    struct view_list turn = { all->index + c->row,
                              left < IMAP_FLAG_TURN ? left : IMAP_FLAG_TURN };

    c->row += turn.n;
    return turn;
}

enum cmd_result cmd_store(struct imap_cmd *cmd)
{
    struct store_message_change change;
    struct view_list list, turn;
    bool silent, others;
    enum rc rc = imap_args_messages(cmd, &list);

    if (rc != RC_OK || !read_change(&cmd->args, &change, &silent, &others))
        return imap_reply_args(cmd, "STORE needs messages, an action and flags");
    if (cmd->session->view->read_only)
        return imap_reply_no(cmd, "READ-ONLY", "mailbox is read-only");
    /* Nobody shall believe that a flag is kept which is not: the FETCH responses show it,
     * asked for or not. */
    others &= change.how != STORE_MESSAGE_REMOVE;
    if (others && cmd->cursor->row == 0)
        imap_reply_permanent_flags(cmd->out, UINT32_MAX);
    turn = next_messages(cmd->cursor, &list);
    rc = imap_flag(cmd, &turn, &change);
    if (rc == RC_OK && (!silent || others))
        tell(cmd, &turn);
    if (rc == RC_OK && cmd->cursor->row < list.n)
        return imap_args_more(cmd, &list);
    imap_flag_publish(cmd);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    return imap_reply_ok(cmd, others ? "Store completed but for flags that are not kept."
                                     : "Store completed.");
}
