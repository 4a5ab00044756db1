/* cmd_search.c - SEARCH and UID SEARCH.  RFC 9051 6.4.4 in RFC 3501's form.
 *
 * What the session knows (flags, sizes, dates, numbers) costs no query.  Where a header
 * or a body must be read, one turn looks at a bounded number of bytes and the command
 * goes on in the next.
 */
#include "imap_reply.h"
#include "search_program.h"
#include "view.h"

#include "base/arena.h"
#include "mail/header.h"
#include "store/store_body.h"

enum { TURN_BYTES = 32 * 1024 * 1024 };

/* RC_NOT_FOUND: expired, so it matches nothing. */
static enum rc read_message(struct imap_cmd *cmd, struct arena *a,
                            const struct search_program *program,
                            struct search_subject *s)
{
    size_t want =
        program->need == SEARCH_MESSAGE ? (size_t)s->row->size : HEADER_MAX_BYTES;
    enum rc rc =
        store_body_read(a, cmd->db, s->row->body_id, s->row->size, 0, want, &s->message);

    if (rc == RC_OK)
        s->header = str_head(s->message, header_end(s->message));
    return rc;
}

static enum rc judge(struct imap_cmd *cmd, const struct search_program *program,
                     struct search_subject *s, size_t *bytes, bool *yes)
{
    int quick = search_program_quick(program, s);
    enum rc rc;

    *yes = quick > 0;
    if (quick != 0)
        return RC_OK;
    s->arena = arena_new();
    rc = read_message(cmd, s->arena, program, s);
    if (rc == RC_OK)
        *yes = search_program_match(program, s);
    *bytes += s->message.n * program->reads;
    arena_free(&s->arena);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum cmd_result run(struct imap_cmd *cmd, const struct search_program *program)
{
    const struct view *v = cmd->session->view;
    struct imap_cursor *c = cmd->cursor;
    size_t bytes = 0;

    if (!c->any)
        imap_reply_text(cmd->out, "* SEARCH");
    c->any = true;
    for (; c->row < v->count; c->row++) {
        struct search_subject s = {
            .row = &v->rows[c->row],
            .number = (uint32_t)c->row + 1,
        };
        bool yes;
        enum rc rc;

        if (bytes >= TURN_BYTES || cmd->out->n >= IMAP_REPLY_SOFT)
            return CMD_MORE;
        rc = judge(cmd, program, &s, &bytes, &yes);
        if (rc != RC_OK) {
            imap_reply_end(cmd->out);
            return imap_reply_rc(cmd, rc);
        }
        if (yes)
            imap_reply_text(cmd->out, " %u",
                            cmd->row->flags & ROW_UID ? s.row->uid : s.number);
    }
    imap_reply_end(cmd->out);
    return imap_reply_ok(cmd, "Search completed.");
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
