/* cmd_search.c - SEARCH and UID SEARCH.  RFC 9051 6.4.4 in RFC 3501's form. */
#include "imap_reply.h"
#include "search_program.h"
#include "search_run.h"
#include "view.h"

static enum cmd_result run(struct imap_cmd *cmd, const struct search_program *program)
{
    struct imap_cursor *c = cmd->cursor;
    enum rc rc;

    if (!c->any)
        imap_reply_text(cmd->out, "* SEARCH");
    c->any = true;
    rc = search_run(cmd, program);
    if (rc == RC_OK && c->row < cmd->session->view->count)
        return CMD_MORE;
    imap_reply_end(cmd->out);
    return rc == RC_OK ? imap_reply_ok(cmd, "Search completed.") : imap_reply_rc(cmd, rc);
}

enum cmd_result cmd_search(struct imap_cmd *cmd)
{
    const struct view *v = cmd->session->view;
    struct search_limits limits = { v->count, view_last_uid(v) };
    struct search_program program;
    enum rc rc = search_program_read(&cmd->args, limits, &program);

    if (rc == RC_DENIED)
        return imap_reply_no(cmd, "BADCHARSET (US-ASCII UTF-8)", "unknown charset");
    if (rc == RC_LIMIT)
        return imap_reply_no(cmd, "LIMIT", "too many or too long criteria");
    if (rc != RC_OK)
        return imap_reply_args(cmd, "SEARCH needs criteria");
    cmd->cursor->started = true;
    return run(cmd, &program);
}
