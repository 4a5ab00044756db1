/* session.c - one client: from its bytes to commands, from commands to its bytes.
 *
 * A session is in one mode at a time.  MODE_COMMAND reads commands; MODE_IDLE waits for
 * DONE; MODE_SASL reads an answer to "+"; MODE_APPEND and MODE_APPEND_END read a message
 * and the end of its line; MODE_DELAYED holds back the answer to a failed login;
 * MODE_HANDSHAKE waits for STARTTLS to be done.
 */
#include "session.h"

#include "append_spool.h"
#include "command_job.h"
#include "gateway.h"
#include "hints.h"
#include "imap_args.h"
#include "imap_framer.h"
#include "imap_login.h"
#include "imap_reply.h"
#include "io.h"
#include "view.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "store/store_mailbox.h"
#include "svc/options.h"

#include <inttypes.h>

enum {
    GREETED_BYTES = 8 * 1024, /* all that a stranger may say */
    GREETED_LITERAL = 4 * 1024,
    GREETED_COMMANDS = 50,
    GREETED_MS = 60 * 1000,
    COMMAND_BYTES = 64 * 1024, /* one command with its literals */
    LOGIN_FAILURES = 5,
    BAD_COMMANDS = 20,
    APPEND_STALL_MS = 60 * 1000,
    BUSY_MS = 60 * 1000, /* look again later: a command is in a worker */
    TAG_MAX = 64,
    HINTS_KEPT = 3,
    MS_PER_SECOND = 1000,
};

enum mode {
    MODE_COMMAND,
    MODE_IDLE,
    MODE_SASL,
    MODE_APPEND,
    MODE_APPEND_END,
    MODE_DELAYED,
    MODE_HANDSHAKE,
};

struct session {
    struct session_links links;
    struct conn *conn; /* NULL: the client is gone, a command is still away */
    struct io *io;
    struct imap_session imap;
    struct imap_framer framer;
    struct command_job *command; /* away, or waiting for the output to drain */
    struct command_job *gather;  /* being put together: SASL, APPEND, a delayed answer */
    char *tag;                   /* of IDLE */
    int64_t greeted_until_ms;
    int64_t joined_ms;
    struct {
        int64_t mailbox, modseq;
    } hint[HINTS_KEPT];
    uint16_t greeted_bytes;
    uint8_t greeted_commands;
    uint8_t failures;
    uint8_t mode;  /* enum mode */
    uint8_t hints; /* since the last look; beyond HINTS_KEPT they are not kept */
    bool joined;   /* in the account's list */
    bool fresh;    /* not yet polled since the subscription took effect */
    bool leftover; /* the last look could not tell everything */
    bool waits;    /* `command` is not away, it waits for on_drain */
    bool draining, eof;
};

static struct metric open_sessions = { .kind = METRIC_GAUGE,
                                       .name = "postbus_imap_sessions",
                                       .labels = "",
                                       .help = "Sessions that are open." };
static struct metric idle_sessions = { .kind = METRIC_GAUGE,
                                       .name = "postbus_imap_idle_sessions",
                                       .labels = "",
                                       .help = "Sessions that wait in IDLE." };
static struct metric looks = { .kind = METRIC_COUNTER,
                               .name = "postbus_imap_looks",
                               .labels = "",
                               .help = "Looks at the store for an idle client." };
static struct metric refused_logins = { .kind = METRIC_COUNTER,
                                        .name = "postbus_imap_logins_refused",
                                        .labels = "",
                                        .help = "Logins that failed." };

void session_register_metrics(void)
{
    metric_register(&open_sessions);
    metric_register(&idle_sessions);
    metric_register(&looks);
    metric_register(&refused_logins);
    imap_command_register_metrics();
}

struct session_links *session_links(struct session *s)
{
    return &s->links;
}

static bool is_logged_in(const struct session *s)
{
    return (s->imap.state & ST_LOGGED_IN) != 0;
}

static const struct options *options(const struct session *s)
{
    return s->io->gateway->options;
}

static void begin_command(struct session *s)
{
    imap_framer_init(&s->framer, is_logged_in(s) ? COMMAND_BYTES : GREETED_BYTES);
}

/* -- time -- */

static int64_t timeout_ms(const struct session *s)
{
    int64_t left;

    switch ((enum mode)s->mode) {
    case MODE_IDLE:
        return options(s)->idle_keepalive_seconds * MS_PER_SECOND;
    case MODE_DELAYED:
        return options(s)->login_failure_delay_ms;
    case MODE_APPEND:
    case MODE_APPEND_END:
        return APPEND_STALL_MS;
    default:
        break;
    }
    if (is_logged_in(s))
        return options(s)->session_timeout_seconds * MS_PER_SECOND;
    left = s->greeted_until_ms - clock_monotonic_ms();
    return left > 0 ? left : 1;
}

static void set_timeout(struct session *s)
{
    /* 0 would mean "never" to the conn. */
    int64_t ms = s->command != NULL ? BUSY_MS : timeout_ms(s);

    conn_set_timeout_ms(s->conn, ms > 0 ? ms : 1);
}

/* -- endings -- */

static void bye(struct session *s, const char *text)
{
    imap_reply_bye(conn_out(s->conn), text);
    conn_close(s->conn);
}

static void leave_idle(struct session *s)
{
    s->mode = MODE_COMMAND;
    mem_free(s->tag);
    s->tag = NULL;
    metric_add(&idle_sessions, -1);
}

static void free_session(struct session *s)
{
    struct gateway *gw = s->io->gateway;

    if (s->mode == MODE_IDLE)
        leave_idle(s);
    if (s->joined)
        io_leave(s->io, s, s->imap.account);
    if (s->links.previous != NULL)
        s->links.previous->links.next = s->links.next;
    else
        s->io->sessions = s->links.next;
    if (s->links.next != NULL)
        s->links.next->links.previous = s->links.previous;
    view_free(&s->imap.view);
    command_job_free(&s->command);
    command_job_free(&s->gather);
    mem_free(s);
    metric_add(&open_sessions, -1);
    atomic_fetch_sub(&gw->sessions, 1);
}

/* -- looking at the mailbox -- */

/* What this session itself has said, or old news. */
static bool is_known(const struct session *s, int64_t mailbox, int64_t modseq)
{
    const struct view *v = s->imap.view;

    return v == NULL || mailbox != v->mailbox || modseq <= v->modseq ||
           modseq == s->imap.own_modseq;
}

static bool has_news(struct session *s)
{
    bool news = s->hints > HINTS_KEPT;

    for (uint8_t i = 0; i < s->hints && i < HINTS_KEPT; i++)
        news |= !is_known(s, s->hint[i].mailbox, s->hint[i].modseq);
    if (!news)
        s->hints = 0;
    return news || s->leftover;
}

static void keep_hint(struct session *s, int64_t mailbox, int64_t modseq)
{
    if (s->hints < HINTS_KEPT) {
        s->hint[s->hints].mailbox = mailbox;
        s->hint[s->hints].modseq = modseq;
    }
    if (s->hints <= HINTS_KEPT)
        s->hints++;
}

static void command_done(struct command_job *c);

static bool submit(struct session *s, struct command_job *c)
{
    enum rc rc;

    c->user = s;
    c->done = command_done;
    s->command = c;
    rc = command_job_submit(c);
    if (rc != RC_OK)
        s->command = NULL;
    set_timeout(s);
    return rc == RC_OK;
}

static void look(struct session *s)
{
    struct command_job *c;

    if (s->command != NULL || s->imap.view == NULL)
        return;
    c = command_job_new(s->io->gateway, s->io->loop, &s->imap, S(""));
    s->hints = 0;
    s->leftover = false;
    metric_add(&looks, 1);
    if (!submit(s, c)) {
        command_job_free(&c);
        s->leftover = true;
    }
}

void session_news(struct session *s, const struct hints_news *news)
{
    if (s->conn == NULL || conn_is_closing(s->conn))
        return;
    if (news->removed) {
        s->draining = true;
        session_drain(s);
        return;
    }
    keep_hint(s, news->mailbox, news->modseq);
    if (s->command == NULL && has_news(s) && s->mode == MODE_IDLE)
        look(s);
}

int64_t session_poll_wants(struct session *s, int64_t fresh_before_ms)
{
    /* A look that is under way may have begun before the subscription took effect. */
    if (s->command != NULL)
        return 0;
    if (fresh_before_ms != 0) {
        if (!s->fresh || s->joined_ms > fresh_before_ms)
            return 0;
        s->fresh = false;
        /* Who does not idle yet looks when IDLE begins, unless SELECT comes before. */
        s->leftover |= s->mode != MODE_IDLE;
    }
    return s->mode == MODE_IDLE && s->imap.view != NULL ? s->imap.view->mailbox : 0;
}

bool session_is_fresh(const struct session *s)
{
    return s->joined && s->fresh;
}

void session_polled(struct session *s, const struct store_mailbox_mark *mark)
{
    const struct view *v = s->imap.view;

    if (mark->modseq > v->modseq || mark->uidnext > v->uidnext)
        look(s);
}

/* -- results of commands -- */

static void start_idle(struct session *s, str_t tag)
{
    s->mode = MODE_IDLE;
    s->tag = mem_cstr(tag.p, tag.n);
    metric_add(&idle_sessions, 1);
    conn_flush(s->conn);
    /* Hints are kept while commands run, so what came between the last command and IDLE
     * is known; before the subscription had time to take effect, they may be missing. */
    if (s->fresh || has_news(s))
        look(s);
    if (clock_monotonic_ms() - s->joined_ms > IO_SETTLE_MS)
        s->fresh = false;
}

static void start_tls(struct session *s)
{
    s->mode = MODE_HANDSHAKE;
    if (conn_start_tls(s->conn, s->io->gateway->tls) != RC_OK)
        log_info("imap.injected", "session=%" PRIu64 " reason=\"input before TLS\"",
                 s->imap.id);
}

static void apply(struct session *s, enum cmd_result result, str_t tag)
{
    switch (result) {
    case CMD_CLOSE:
        conn_close(s->conn);
        break;
    case CMD_STARTTLS:
        start_tls(s);
        break;
    case CMD_IDLE:
        start_idle(s, tag);
        break;
    case CMD_REFUSED:
    case CMD_MORE:
    case CMD_DONE:
        break;
    }
    if (s->imap.bad_count >= BAD_COMMANDS && !conn_is_closing(s->conn))
        bye(s, "Too many invalid commands");
}

/* A login has succeeded: from here on the account's news concern this session. */
static bool join(struct session *s)
{
    s->joined_ms = clock_monotonic_ms();
    s->fresh = true;
    s->joined = io_join(s->io, s, s->imap.account) == RC_OK;
    if (!s->joined)
        bye(s, "[LIMIT] Too many sessions of this account");
    return s->joined;
}

static void hold_back(struct session *s, struct command_job *c)
{
    metric_add(&refused_logins, 1);
    s->failures++;
    s->gather = c;
    s->mode = MODE_DELAYED;
    set_timeout(s);
}

static void go_on(struct session *s);

static void finish(struct session *s, struct command_job *c)
{
    enum cmd_result result = c->result;

    s->command = NULL;
    s->leftover |= c->still_news;
    if (result == CMD_REFUSED) {
        hold_back(s, c);
        return;
    }
    if (is_logged_in(s) && !s->joined && !join(s)) {
        command_job_free(&c);
        return;
    }
    if (conn_put_buf(s->conn, &c->out) == RC_OK)
        apply(s, result, S(""));
    command_job_free(&c);
    if (s->draining && !conn_is_closing(s->conn))
        bye(s, "Server is going away, please reconnect");
    go_on(s);
}

static void resume(struct session *s)
{
    struct command_job *c = s->command;

    s->waits = false;
    if (!submit(s, c)) {
        command_job_free(&c);
        bye(s, "Server is too busy");
    }
}

static void command_done(struct command_job *c)
{
    struct session *s = c->user;

    if (s->conn == NULL || conn_is_closing(s->conn)) {
        s->command = NULL;
        command_job_free(&c);
        if (s->conn == NULL)
            free_session(s);
        return;
    }
    if (c->result != CMD_MORE) {
        finish(s, c);
        return;
    }
    s->waits = true;
    if (conn_put_buf(s->conn, &c->out) == RC_OK && conn_out_room(s->conn) > 0)
        resume(s);
}

/* -- reading commands -- */

static struct imap_cmd inline_cmd(struct session *s, struct imap_cursor *cursor)
{
    return (struct imap_cmd){
        .arena = s->io->arena,
        .gateway = s->io->gateway,
        .session = &s->imap,
        .out = conn_out(s->conn),
        .cursor = cursor,
    };
}

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
    c->look = has_news(s);
    s->hints = 0;
    s->leftover = false;
    if (submit(s, c))
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

static bool runs_here(const struct session *s, const struct imap_command *row)
{
    return (row->flags & ROW_INLINE) || ((row->flags & ROW_LOOK) && s->imap.view == NULL);
}

/* Strangers get a small budget; true if it is used up. */
static bool spend(struct session *s, size_t bytes)
{
    if (is_logged_in(s))
        return false;
    s->greeted_commands++;
    if (bytes <= (size_t)(GREETED_BYTES - s->greeted_bytes) &&
        s->greeted_commands <= GREETED_COMMANDS) {
        s->greeted_bytes = (uint16_t)(s->greeted_bytes + bytes);
        return false;
    }
    bye(s, "Too much input before login");
    return true;
}

static void take_command(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);
    struct imap_cursor cursor = { 0 };
    struct imap_cmd cmd = inline_cmd(s, &cursor);
    struct command_job *c = NULL;
    enum cmd_result result = CMD_DONE;

    if (spend(s, used))
        return;
    if (imap_command_parse(&cmd, str_n(in->p, used))) {
        if (runs_here(s, cmd.row))
            result = imap_command_run(&cmd);
        else
            c = new_job(s, str_n(in->p, used));
    }
    cmd.tag = arena_str(s->io->arena, cmd.tag);
    crypto_wipe(in->p, used);
    buf_consume(in, used);
    begin_command(s);
    if (c != NULL && (cmd.row->flags & ROW_LOGIN))
        start_login(s, c, cmd.row);
    else if (c != NULL)
        send_to_worker(s, c);
    else
        apply(s, result, cmd.tag);
    arena_reset(s->io->arena);
}

/* -- literals and APPEND -- */

static bool is_append(struct session *s, str_t head)
{
    struct imap_args_append args;
    struct imap_parser in;
    str_t tag;
    bool yes;

    if (!is_logged_in(s))
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
        bye(s, "[TOOBIG] literal is too large");
        return;
    }
    buf_consume(in, used);
    begin_command(s);
}

static void start_append(struct session *s, size_t used)
{
    struct buf *in = conn_in(s->conn);

    if (s->framer.literal > (uint64_t)options(s)->max_message_size) {
        refuse_literal(s, used);
        return;
    }
    s->gather = new_job(s, str_n(in->p, used));
    s->gather->spool = append_spool_new((size_t)s->framer.literal);
    s->mode = MODE_APPEND;
    if (s->framer.literal_wait)
        imap_reply_continue(conn_out(s->conn), "OK");
    buf_consume(in, used);
    begin_command(s);
    set_timeout(s);
}

static void take_literal(struct session *s, size_t used)
{
    str_t head = str_n(conn_in(s->conn)->p, used);
    uint64_t limit = is_logged_in(s) ? COMMAND_BYTES : GREETED_LITERAL;

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
    bye(s, "Command is too long");
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
            bye(s, "Line is too long");
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
    leave_idle(s);
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

static bool read_append(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    struct append_spool *spool = s->gather->spool;
    str_t piece = str_head(buf_str(in), append_spool_left(spool));

    if (append_spool_add(spool, piece) != RC_OK) {
        log_error("imap.spool", "session=%" PRIu64 " reason=\"cannot write\"",
                  s->imap.id);
        bye(s, "[UNAVAILABLE] No room for the message");
        return false;
    }
    buf_consume(in, piece.n);
    if (append_spool_left(spool) == 0)
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
    if (line.n == 0 && !append_spool_has_nul(c->spool)) {
        send_to_worker(s, c);
        return true;
    }
    refuse(s, buf_str(&c->bytes), "BAD",
           line.n > 0 ? "one message at a time" : "a message has no NUL bytes");
    command_job_free(&c);
    return true;
}

static bool step(struct session *s)
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

/* Use the input that is there as far as it goes. */
static void go_on(struct session *s)
{
    while (s->command == NULL && !conn_is_closing(s->conn) && conn_in(s->conn)->n > 0)
        if (!step(s))
            break;
    arena_reset(s->io->arena);
    if (conn_is_closing(s->conn))
        return;
    conn_flush(s->conn);
    if (s->command == NULL && s->eof && s->mode != MODE_DELAYED) {
        conn_close(s->conn);
        return;
    }
    if (s->command == NULL && s->mode == MODE_IDLE && has_news(s) && s->hints > 0)
        look(s);
    set_timeout(s);
}

/* -- the conn's calls -- */

static void on_open(struct conn *conn)
{
    struct io *io = conn_listener_user(conn);
    struct session *s = mem_alloc(sizeof *s);
    struct imap_cursor cursor = { 0 };
    struct imap_cmd cmd;

    s->conn = conn;
    s->io = io;
    s->imap.state = ST_GREETED;
    s->imap.tls = conn_is_tls(conn);
    s->imap.id = conn_serial(conn);
    s->greeted_until_ms = clock_monotonic_ms() + GREETED_MS;
    s->links.next = io->sessions;
    if (io->sessions != NULL)
        io->sessions->links.previous = s;
    io->sessions = s;
    atomic_fetch_add(&io->gateway->sessions, 1);
    metric_add(&open_sessions, 1);
    conn_set_user(conn, s);
    begin_command(s);
    cmd = inline_cmd(s, &cursor);
    if (atomic_load(&io->gateway->draining)) {
        bye(s, "Server is going away, please reconnect");
        return;
    }
    imap_reply_untagged(cmd.out, "OK [CAPABILITY %s] Postbus ready.",
                        imap_reply_capabilities(&cmd));
    go_on(s);
}

static void on_input(struct conn *conn)
{
    go_on(conn_user(conn));
}

static void on_tls(struct conn *conn)
{
    struct session *s = conn_user(conn);

    s->imap.tls = true;
    s->mode = MODE_COMMAND;
    begin_command(s);
    go_on(s);
}

static void on_drain(struct conn *conn)
{
    struct session *s = conn_user(conn);

    if (s->waits)
        resume(s);
}

static void answer_refused(struct session *s)
{
    struct command_job *c = s->gather;

    s->gather = NULL;
    s->mode = MODE_COMMAND;
    if (conn_put_buf(s->conn, &c->out) == RC_OK && s->failures >= LOGIN_FAILURES)
        bye(s, "Too many failed logins");
    command_job_free(&c);
    if (!conn_is_closing(s->conn))
        go_on(s);
}

static void on_timeout(struct conn *conn)
{
    struct session *s = conn_user(conn);

    if (s->command != NULL) {
        set_timeout(s);
    } else if (s->mode == MODE_IDLE) {
        imap_reply_untagged(conn_out(conn), "OK Still here");
        conn_flush(conn);
        set_timeout(s);
    } else if (s->mode == MODE_DELAYED) {
        answer_refused(s);
    } else {
        bye(s, "Disconnected for inactivity");
    }
}

static void on_eof(struct conn *conn)
{
    struct session *s = conn_user(conn);

    s->eof = true;
    if (s->mode == MODE_IDLE || s->command == NULL)
        conn_close(conn);
}

static void on_close(struct conn *conn)
{
    struct session *s = conn_user(conn);

    s->conn = NULL;
    /* What waits for the output only is not away. */
    if (s->waits) {
        command_job_free(&s->command);
        s->waits = false;
    }
    if (s->command == NULL)
        free_session(s);
}

void session_drain(struct session *s)
{
    s->draining = true;
    if (s->conn == NULL || s->command != NULL || conn_is_closing(s->conn))
        return;
    bye(s, "Server is going away, please reconnect");
}

const struct conn_handler session_handler = {
    .on_open = on_open,
    .on_input = on_input,
    .on_tls = on_tls,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_eof = on_eof,
    .on_close = on_close,
};
