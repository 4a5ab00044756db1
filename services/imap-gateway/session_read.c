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

/* The same for what is no command as it stands; too much of that ends the session. */
static void refuse_bad(struct session *s, str_t head, const char *text)
{
    refuse(s, head, "BAD", text);
    s->imap.bad_count++;
    session_apply(s, CMD_DONE, S(""));
}

/* What the framer knows to follow of a refused command is none of the next one's.  An
 * account may go on behind it; of a stranger nobody reads so much. */
static void skip(struct session *s)
{
    if (conn_is_closing(s->conn))
        return;
    s->mode = MODE_SKIP;
    s->skip_left = (uint64_t)session_options(s)->max_message_size;
    if (!session_is_logged_in(s) || s->framer.literal > s->skip_left)
        session_bye(s, "That is more than is read of a command");
}

/* A line of its own was refused; what it announces comes all the same. */
static void skip_announced(struct session *s, str_t line)
{
    if (!imap_framer_announces(&s->framer, line) || s->framer.literal_wait)
        return;
    imap_framer_skip_from(&s->framer, s->framer.literal);
    skip(s);
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

/* What stands behind STARTTLS was sent in the clear, by whoever sits in between. */
static bool is_injected(struct session *s, const struct imap_command *row, size_t used)
{
    if (row->run != cmd_starttls || s->imap.tls || conn_in(s->conn)->n <= used)
        return false;
    log_info("imap.injected", "session=%" PRIu64 " reason=\"input before TLS\"",
             s->imap.id);
    refuse(s, str_n(conn_in(s->conn)->p, used), "BAD",
           "nothing may follow STARTTLS before its answer");
    session_bye(s, "Commands were sent in the clear behind STARTTLS");
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
        if (is_injected(s, cmd.row, used))
            return;
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

/* *denied: it is, but for a mailbox that cannot be. */
static bool is_append(struct session *s, str_t head, const char **denied)
{
    struct imap_args_append args;
    struct imap_parser in;
    str_t tag;
    bool yes;

    *denied = NULL;
    if (!session_is_logged_in(s))
        return false;
    imap_parser_init(&in, s->io->arena, head);
    yes = imap_parser_tag(&in, &tag) && imap_parser_space(&in) &&
          imap_parser_word(&in, S("APPEND")) && imap_args_append(&in, &args);
    if (in.code != NULL)
        *denied = arena_printf(s->io->arena, "[%s] %s", in.code, in.wrong);
    return yes;
}

/* The command was refused at the literal that `used` bytes of it announce.  Whoever waits
 * for "+" has heard no and does not send it; who does not is passed over. */
static void skip_literal(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);
    bool waits = s->framer.literal_wait, more = in->n > used;

    crypto_wipe(in->p, used);
    buf_consume(in, used);
    if (waits && more) {
        /* Is it the literal or a command?  Nobody can know. */
        session_bye(s, "A literal was sent without waiting for the answer");
    } else if (waits) {
        session_begin_command(s);
    } else {
        imap_framer_skip_from(&s->framer, s->framer.literal);
        skip(s);
    }
}

static void start_append(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);

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
    const char *denied;
    bool append = is_append(s, head, &denied) && s->framer.literal > 0;

    if (s->framer.literal == FRAME_LITERAL_HUGE) {
        refuse_bad(s, head, "the size of a literal has 32 bits");
        skip_literal(s, used);
    } else if (denied != NULL) {
        refuse(s, head, "NO", denied);
        skip_literal(s, used);
    } else if (append &&
               s->framer.literal <= (uint64_t)session_options(s)->max_message_size) {
        start_append(s, used);
    } else if (append || s->framer.literal > limit ||
               !imap_framer_literal_fits(&s->framer)) {
        refuse(s, head, "NO", "[TOOBIG] literal is too large");
        skip_literal(s, used);
    } else {
        if (s->framer.literal_wait)
            imap_reply_continue(conn_out(s->conn), "OK");
        imap_framer_accept(&s->framer);
    }
    arena_reset(s->io->arena);
}

static void refuse_long(struct session *s)
{
    struct buf *in = conn_in(s->conn);

    refuse_bad(s, buf_str(in), "the command is too long");
    crypto_wipe(in->p, s->framer.line);
    buf_consume(in, s->framer.line);
    imap_framer_skip_from(&s->framer, 0);
    skip(s);
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
        refuse_long(s);
        return true;
    }
    return false;
}

static bool read_skip(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    bool done;
    size_t n = imap_framer_skip(&s->framer, in->p, in->n, &done);

    crypto_wipe(in->p, n);
    buf_consume(in, n);
    if (done) {
        s->mode = MODE_COMMAND;
        session_begin_command(s);
    } else if (n + s->framer.literal > s->skip_left) {
        session_bye(s, "That is more than is read of a command");
        return false;
    }
    s->skip_left -= done ? 0 : n;
    return n > 0;
}

/* -- the other modes -- */

/* A line of its own outside commands, with its end; false: there is none yet. */
static bool read_line(struct session *s, str_t *line)
{
    struct buf *in = conn_in(s->conn);
    size_t end = str_find_char(buf_str(in), '\n');

    if (end == SIZE_MAX) {
        if (in->n > GREETED_LITERAL)
            session_bye(s, "Line is too long");
        return false;
    }
    *line = arena_str(s->io->arena, str_n(in->p, end + 1));
    crypto_wipe(in->p, end);
    buf_consume(in, end + 1);
    return true;
}

static bool read_done(struct session *s)
{
    str_t line;
    bool done;

    if (!read_line(s, &line))
        return false;
    done = str_eq_nocase(str_trim(line), S("DONE"));
    imap_reply_text(conn_out(s->conn), "%s %s", s->tag,
                    done ? "OK Idle completed." : "BAD expected DONE");
    imap_reply_end(conn_out(s->conn));
    session_leave_idle(s);
    if (!done)
        skip_announced(s, line);
    return true;
}

static bool read_sasl(struct session *s)
{
    struct command_job *c = s->gather;
    const char *prompt;
    str_t raw, line;
    bool cancelled;

    if (!read_line(s, &raw))
        return false;
    line = str_trim(raw);
    cancelled = str_eq(line, S("*"));
    s->gather = NULL;
    s->mode = MODE_COMMAND;
    if (spend(s, raw.n)) {
        command_job_free(&c);
        return false;
    }
    if (imap_framer_announces(&s->framer, raw)) {
        refuse_bad(s, buf_str(&c->bytes), "what is asked for is one line of base64");
        command_job_free(&c);
        skip_announced(s, raw);
        return true;
    }
    while (c->bytes.n > 0 &&
           (c->bytes.p[c->bytes.n - 1] == '\n' || c->bytes.p[c->bytes.n - 1] == '\r'))
        buf_truncate(&c->bytes, c->bytes.n - 1);
    buf_putc(&c->bytes, ' ');
    buf_put(&c->bytes, line.n == 0 ? S("=") : line);
    crypto_wipe((char *)line.p, line.n);
    prompt = cancelled ? NULL : imap_login_prompt(buf_str(&c->bytes));
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
    if (str_trim(line).n == 0) {
        send_to_worker(s, c);
        return true;
    }
    refuse_bad(s, buf_str(&c->bytes), "one message at a time");
    command_job_free(&c);
    skip_announced(s, line);
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
    case MODE_SKIP:
        return read_skip(s);
    case MODE_DELAYED:
    case MODE_HANDSHAKE:
        break;
    }
    return false;
}
