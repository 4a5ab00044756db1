/* session_read.c - turns a client's bytes into commands. */
#include "session_private.h"

#include "gateway.h"
#include "imap_args.h"
#include "imap_login.h"
#include "imap_reply.h"
#include "io.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"
#include "net/spool.h"
#include "svc/options.h"

#include <inttypes.h>

/* To the tag of a command that is not run. */
static void refuse(struct session *s, str_t head, const char *word, const char *text)
{
    struct imap_parser in;
    str_t tag;

    imap_parser_init(&in, s->io->arena, head);
    if (!imap_parser_tag(&in, &tag) || tag.n > TAG_MAX)
        tag = S("*");
    imap_reply_text(conn_out(s->conn), "%.*s %s %s", STR_ARG(tag), word, text);
    imap_reply_end(conn_out(s->conn));
}

static void send_to_worker(struct session *s, struct command_job *c)
{
    c->look = session_has_news(s);
    s->hints = 0;
    s->leftover = false;
    if (session_submit(s, c))
        return;
    s->leftover = c->look;
    refuse(s, buf_str(&c->bytes), "NO", "[UNAVAILABLE] server is too busy, try again");
    command_job_free(&c);
}

static struct command_job *new_job(struct session *s, str_t bytes)
{
    return command_job_new(s->io->gateway, s->io->loop, &s->imap, bytes);
}

/* AUTHENTICATE may need more lines first. */
static void start_login(struct session *s, struct command_job *c,
                        const struct imap_command *row)
{
    const char *prompt =
        row->run == cmd_authenticate ? imap_login_prompt(buf_str(&c->bytes)) : NULL;

    c->login = true;
    if (prompt == NULL) {
        send_to_worker(s, c);
        return;
    }
    s->gather = c;
    s->mode = MODE_SASL;
    imap_reply_continue(conn_out(s->conn), prompt);
}

/* Who pipelines could keep the loop busy for long with what it may try. */
static bool runs_here(struct session *s, const struct imap_command *row, bool pipelined)
{
    return (row->flags & ROW_INLINE) ||
           ((row->flags & ROW_LOOK) && s->imap.view == NULL) ||
           ((row->flags & ROW_TRY) && !pipelined && !session_has_news(s));
}

/* Strangers get a small budget; true if it is used up. */
static bool spend(struct session *s, size_t bytes)
{
    if (session_is_logged_in(s))
        return false;
    s->greeted_commands++;
    if (bytes <= (size_t)(GREETED_BYTES - s->greeted_bytes) &&
        s->greeted_commands <= GREETED_COMMANDS) {
        s->greeted_bytes = (uint16_t)(s->greeted_bytes + bytes);
        return false;
    }
    session_bye(s, "Too much input before login");
    return true;
}

static void take_command(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);
    struct imap_cursor cursor = { 0 };
    struct imap_cmd cmd = session_inline_cmd(s, &cursor);
    struct command_job *c = NULL;
    enum cmd_result result = CMD_DONE;

    if (spend(s, used))
        return;
    if (imap_command_parse(&cmd, str_n(in->p, used))) {
        result = runs_here(s, cmd.row, in->n > used) ? imap_command_run(&cmd) : CMD_AWAY;
        if (result == CMD_AWAY)
            c = new_job(s, str_n(in->p, used));
    }
    cmd.tag = arena_str(s->io->arena, cmd.tag);
    crypto_wipe(in->p, used);
    buf_consume(in, used);
    session_begin_command(s);
    if (c != NULL && (cmd.row->flags & ROW_LOGIN))
        start_login(s, c, cmd.row);
    else if (c != NULL)
        send_to_worker(s, c);
    else
        session_apply(s, result, cmd.tag);
    arena_reset(s->io->arena);
}

/* -- literals and APPEND -- */

static bool is_append(struct session *s, str_t head)
{
    struct imap_args_append args;
    struct imap_parser in;
    str_t tag;
    bool yes;

    if (!session_is_logged_in(s))
        return false;
    imap_parser_init(&in, s->io->arena, head);
    yes = imap_parser_tag(&in, &tag) && imap_parser_space(&in) &&
          imap_parser_word(&in, S("APPEND")) && imap_args_append(&in, &args);
    arena_reset(s->io->arena);
    return yes;
}

/* A literal that nobody wants: whoever waits for "+" hears no, who does not must go. */
static void refuse_literal(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);

    refuse(s, str_n(in->p, used), "NO", "[TOOBIG] literal is too large");
    if (!s->framer.literal_wait) {
        session_bye(s, "[TOOBIG] literal is too large");
        return;
    }
    buf_consume(in, used);
    session_begin_command(s);
}

static void start_append(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);

    if (s->framer.literal > (uint64_t)session_options(s)->max_message_size) {
        refuse_literal(s, used);
        return;
    }
    s->gather = new_job(s, str_n(in->p, used));
    s->gather->spool = spool_new(&s->io->gateway->spool, (uint64_t)s->imap.account);
    s->gather->spool_left = (size_t)s->framer.literal;
    s->mode = MODE_APPEND;
    if (s->framer.literal_wait)
        imap_reply_continue(conn_out(s->conn), "OK");
    buf_consume(in, used);
    session_begin_command(s);
    session_set_timeout(s);
}

static void take_literal(struct session *s, size_t used)
{
    str_t head = str_n(conn_in(s->conn)->p, used);
    uint64_t limit = session_is_logged_in(s) ? COMMAND_BYTES : GREETED_LITERAL;

    if (s->framer.literal > 0 && is_append(s, head)) {
        start_append(s, used);
    } else if (s->framer.literal > limit || !imap_framer_literal_fits(&s->framer)) {
        refuse_literal(s, used);
    } else {
        if (s->framer.literal_wait)
            imap_reply_continue(conn_out(s->conn), "OK");
        imap_framer_accept(&s->framer);
    }
}

static bool read_command(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    size_t used;

    switch (imap_framer_feed(&s->framer, in->p, in->n, &used)) {
    case FRAME_MORE:
        return false;
    case FRAME_COMMAND:
        take_command(s, used);
        return true;
    case FRAME_LITERAL:
        take_literal(s, used);
        return true;
    case FRAME_TOO_LONG:
        break;
    }
    session_bye(s, "Command is too long");
    return false;
}

/* -- the other modes -- */

/* A line of its own outside commands, without its end; false: there is none yet. */
static bool read_line(struct session *s, str_t *line)
{
    struct buf *in = conn_in(s->conn);
    size_t end = str_find_char(buf_str(in), '\n');

    if (end == SIZE_MAX) {
        if (in->n > GREETED_LITERAL)
            session_bye(s, "Line is too long");
        return false;
    }
    *line = str_trim(arena_str(s->io->arena, str_n(in->p, end)));
    crypto_wipe(in->p, end);
    buf_consume(in, end + 1);
    return true;
}

static bool read_done(struct session *s)
{
    str_t line;

    if (!read_line(s, &line))
        return false;
    imap_reply_text(conn_out(s->conn), "%s %s", s->tag,
                    str_eq_nocase(line, S("DONE")) ? "OK Idle completed."
                                                   : "BAD expected DONE");
    imap_reply_end(conn_out(s->conn));
    session_leave_idle(s);
    return true;
}

static bool read_sasl(struct session *s)
{
    struct command_job *c = s->gather;
    const char *prompt;
    str_t line;

    if (!read_line(s, &line))
        return false;
    s->gather = NULL;
    s->mode = MODE_COMMAND;
    if (spend(s, line.n)) {
        command_job_free(&c);
        return false;
    }
    while (c->bytes.n > 0 &&
           (c->bytes.p[c->bytes.n - 1] == '\n' || c->bytes.p[c->bytes.n - 1] == '\r'))
        buf_truncate(&c->bytes, c->bytes.n - 1);
    buf_putc(&c->bytes, ' ');
    buf_put(&c->bytes, line.n == 0 ? S("=") : line);
    crypto_wipe((char *)line.p, line.n);
    prompt = str_eq(line, S("*")) ? NULL : imap_login_prompt(buf_str(&c->bytes));
    if (prompt == NULL) {
        send_to_worker(s, c);
        return true;
    }
    s->gather = c;
    s->mode = MODE_SASL;
    imap_reply_continue(conn_out(s->conn), prompt);
    return true;
}

/* What finds no room is read to its end all the same: the reply then meets a client that
 * listens. */
static bool read_append(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    struct command_job *c = s->gather;
    str_t piece = str_head(buf_str(in), c->spool_left);

    spool_append(c->spool, piece.p, piece.n);
    c->spool_left -= piece.n;
    buf_consume(in, piece.n);
    if (c->spool_left == 0)
        s->mode = MODE_APPEND_END;
    return true;
}

static bool read_append_end(struct session *s)
{
    struct command_job *c = s->gather;
    str_t line;

    if (!read_line(s, &line))
        return false;
    s->gather = NULL;
    s->mode = MODE_COMMAND;
    if (line.n == 0) {
        send_to_worker(s, c);
        return true;
    }
    refuse(s, buf_str(&c->bytes), "BAD", "one message at a time");
    command_job_free(&c);
    return true;
}

bool session_read_step(struct session *s)
{
    switch ((enum mode)s->mode) {
    case MODE_COMMAND:
        return read_command(s);
    case MODE_IDLE:
        return read_done(s);
    case MODE_SASL:
        return read_sasl(s);
    case MODE_APPEND:
        return read_append(s);
    case MODE_APPEND_END:
        return read_append_end(s);
    case MODE_DELAYED:
    case MODE_HANDSHAKE:
        break;
    }
    return false;
}
