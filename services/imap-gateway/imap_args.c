/* imap_args.c - arguments that several commands share. */
#include "imap_args.h"

#include "imap_name.h"
#include "view.h"

#include "mail/date.h"
#include "store/store_flags.h"
#include "store/store_mailbox.h"

bool imap_args_name(struct imap_parser *in, str_t wire, str_t *utf8)
{
    switch (imap_name_decode(in->arena, wire, utf8)) {
    case RC_OK:
        return true;
    case RC_LIMIT:
        return imap_parser_refuse(in, "CANNOT", "the name of a mailbox is too long");
    default:
        return imap_parser_refuse(in, "CANNOT",
                                  "a mailbox cannot have this name: it must be modified "
                                  "UTF-7 (RFC 3501 5.1.3) without empty levels");
    }
}

bool imap_args_mailbox(struct imap_parser *in, str_t *utf8)
{
    str_t wire;

    return imap_parser_space(in) && imap_parser_mailbox(in, &wire) &&
           imap_args_name(in, wire, utf8);
}

static bool flag_list(struct imap_parser *in, uint32_t *bits, bool *others)
{
    str_t flag;

    while (imap_parser_flag(in, &flag)) {
        *bits |= store_flags_bit(flag);
        *others |= store_flags_bit(flag) == 0;
        if (!imap_parser_space(in))
            break;
    }
    return true;
}

bool imap_args_flags(struct imap_parser *in, bool bare, uint32_t *bits, bool *others)
{
    *bits = 0;
    *others = false;
    if (!imap_parser_space(in))
        return false;
    if (!imap_parser_char(in, '('))
        return bare && flag_list(in, bits, others);
    imap_parser_skip_spaces(in);
    return flag_list(in, bits, others) && imap_parser_char(in, ')');
}

bool imap_args_date_time(struct imap_parser *in, int64_t *unix_seconds)
{
    str_t text;

    if (!imap_parser_space(in) || !imap_parser_string(in, &text))
        return false;
    return date_parse_internal(text, unix_seconds) ||
           imap_parser_refuse(in, NULL, "that is no date and time from 1900 to 9999");
}

bool imap_args_append(struct imap_parser *in, struct imap_args_append *out)
{
    struct imap_parser ahead;

    *out = (struct imap_args_append){ 0 };
    if (!imap_args_mailbox(in, &out->mailbox))
        return false;
    ahead = *in;
    imap_parser_skip_spaces(&ahead);
    if (imap_parser_peek(&ahead, '(') &&
        !imap_args_flags(in, false, &out->flags, &out->other_flags))
        return false;
    ahead = *in;
    imap_parser_skip_spaces(&ahead);
    out->dated = imap_parser_peek(&ahead, '"');
    if (out->dated && !imap_args_date_time(in, &out->idate_unix))
        return false;
    return imap_parser_space(in) && imap_parser_peek(in, '{');
}

enum rc imap_args_find_mailbox(struct imap_cmd *cmd, struct store_mailbox *out)
{
    str_t name;

    if (!imap_args_mailbox(&cmd->args, &name))
        return RC_INVALID;
    return store_mailbox_find(cmd->arena, cmd->db, cmd->session->account, name, out);
}

enum rc imap_args_messages(struct imap_cmd *cmd, struct view_list *out)
{
    str_t text;
    enum rc rc;

    if (!imap_parser_space(&cmd->args) || !imap_parser_set_text(&cmd->args, &text))
        return RC_INVALID;
    if (cmd->cursor->list.index != NULL) {
        *out = cmd->cursor->list;
        return RC_OK;
    }
    rc = view_resolve(cmd->session->view, cmd->arena, text, cmd->row->flags & ROW_UID,
                      out);
    if (rc != RC_OK)
        imap_parser_refuse(&cmd->args, NULL,
                           rc == RC_NOT_FOUND ? "a number is beyond the last message"
                                              : "malformed set of numbers");
    return rc;
}

enum cmd_result imap_args_more(struct imap_cmd *cmd, const struct view_list *list)
{
    if (cmd->cursor->list.index == NULL)
        view_list_keep(&cmd->cursor->list, list);
    cmd->cursor->started = true;
    return CMD_MORE;
}
