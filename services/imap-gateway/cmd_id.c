/* cmd_id.c - ID: says who we are, forgets who they are.  RFC 2971. */
#include "imap_reply.h"

enum { PAIRS_MAX = 30, FIELD_BYTES = 30, VALUE_BYTES = 1024 };

static bool is_well_formed(struct imap_parser *in)
{
    str_t field, value;
    int pairs = 0;

    if (imap_parser_end(in))
        return true;
    if (!imap_parser_space(in))
        return false;
    if (imap_parser_word(in, S("NIL")))
        return imap_parser_end(in);
    if (!imap_parser_char(in, '('))
        return false;
    imap_parser_skip_spaces(in);
    while (!imap_parser_char(in, ')')) {
        if (!imap_parser_string(in, &field) || !imap_parser_space(in) ||
            !imap_parser_nstring(in, &value))
            return false;
        if (++pairs > PAIRS_MAX || field.n > FIELD_BYTES || value.n > VALUE_BYTES)
            return imap_parser_refuse(in, NULL,
                                      "at most 30 fields of 30 bytes with values of "
                                      "1024 bytes (RFC 2971 3.3)");
        imap_parser_skip_spaces(in);
    }
    return imap_parser_end(in);
}

enum cmd_result cmd_id(struct imap_cmd *cmd)
{
    if (!is_well_formed(&cmd->args))
        return imap_reply_args(cmd, "ID needs a list of strings or NIL");
    imap_reply_untagged(cmd->out, "ID (\"name\" \"Postbus\")");
    return imap_reply_ok(cmd, "ID completed.");
}
