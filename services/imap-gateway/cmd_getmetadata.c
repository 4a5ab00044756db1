/* cmd_getmetadata.c - GETMETADATA.  RFC 5464 4.2.
 *
 * Values are always literals: that is what chatmail's clients and tests have met. */
#include "imap_args.h"
#include "imap_metadata.h"
#include "imap_reply.h"

#include <string.h>

enum { ENTRIES_MAX = 100 };

struct request {
    str_t mailbox;
    str_t entries[ENTRIES_MAX];
    size_t count;
};

/* "(DEPTH infinity MAXSIZE 1024)" is accepted and has no effect: no entry of ours has
 * entries below it. */
static bool skip_options(struct imap_parser *in)
{
    str_t word;

    if (!imap_parser_char(in, '('))
        return true;
    imap_parser_skip_spaces(in);
    while (imap_parser_atom(in, &word))
        imap_parser_skip_spaces(in);
    return imap_parser_char(in, ')') && imap_parser_space(in);
}

static bool read_mailbox(struct imap_parser *in, str_t *utf8)
{
    str_t wire;

    if (!imap_parser_mailbox(in, &wire))
        return false;
    *utf8 = wire;
    return wire.n == 0 || imap_args_name(in, wire, utf8);
}

/* An entry's name is repeated in the answer as it is, so it must be a plain word. */
static bool read_entry(struct imap_parser *in, struct request *r)
{
    str_t entry;

    if (!imap_parser_astring(in, &entry) || entry.n == 0 || entry.p[0] != '/')
        return false;
    if (r->count == ENTRIES_MAX)
        return imap_parser_refuse(in, "LIMIT", "too many entries");
    for (size_t i = 0; i < entry.n; i++)
        if (entry.p[i] <= 0x20 || entry.p[i] >= 0x7f || strchr("(){%*\"\\", entry.p[i]))
            return false;
    r->entries[r->count++] = entry;
    return true;
}

static bool read_entries(struct imap_parser *in, struct request *r)
{
    if (!imap_parser_char(in, '('))
        return read_entry(in, r);
    imap_parser_skip_spaces(in);
    while (read_entry(in, r))
        imap_parser_skip_spaces(in);
    return r->count > 0 && imap_parser_char(in, ')');
}

static bool read(struct imap_parser *in, struct request *r)
{
    r->count = 0;
    if (!imap_parser_space(in) || !skip_options(in) || !read_mailbox(in, &r->mailbox) ||
        !imap_parser_space(in))
        return false;
    /* RFC 5464 4.2.1 has the options behind the mailbox in its example. */
    if (imap_parser_peek(in, '(')) {
        struct imap_parser ahead = *in;
        str_t word;

        imap_parser_char(&ahead, '(');
        if (imap_parser_atom(&ahead, &word) && word.p[0] != '/' && !skip_options(in))
            return false;
    }
    return read_entries(in, r) && imap_parser_end(in);
}

enum cmd_result cmd_getmetadata(struct imap_cmd *cmd)
{
    struct request r;
    str_t values[ENTRIES_MAX];
    enum rc rc = RC_OK;

    if (!read(&cmd->args, &r))
        return imap_reply_args(cmd, "GETMETADATA needs a mailbox and entries");
    for (size_t i = 0; i < r.count && rc == RC_OK; i++)
        rc = imap_metadata_get(cmd, r.mailbox, r.entries[i], &values[i]);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    imap_reply_text(cmd->out, "* METADATA ");
    imap_reply_mailbox(cmd->out, cmd->arena, r.mailbox);
    imap_reply_text(cmd->out, " (");
    for (size_t i = 0; i < r.count; i++) {
        imap_reply_text(cmd->out, i > 0 ? " " : "");
        imap_reply_bytes(cmd->out, r.entries[i]);
        if (values[i].p == NULL) {
            imap_reply_text(cmd->out, " NIL");
        } else {
            imap_reply_text(cmd->out, " ");
            imap_reply_literal(cmd->out, values[i]);
        }
    }
    imap_reply_text(cmd->out, ")");
    imap_reply_end(cmd->out);
    return imap_reply_ok(cmd, "Getmetadata completed.");
}
