/* session.c - one SMTP connection, on its loop.
 *
 * turn() is the heart: while nothing is in flight and there is room for replies, it cuts
 * the next line (or piece of a message) off the input and gives it to its handler.
 * finish() draws the consequences of what the handler returned, at once or when a worker
 * is done.
 */
#include "session.h"

#include "accept.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cmd_auth.h"
#include "cmd_bdat.h"
#include "cmd_data.h"
#include "dialogue.h"
#include "ingress.h"
#include "judge.h"
#include "net/cidr.h"
#include "net/door.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "svc/options.h"
#include "transaction.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum {
    ERRORS_MAX = 20,
    AUTH_FAILURES_MAX = 3,
    REPLY_MAX_BYTES = 64 * 1024,
    LMTP_REPLY_MAX_BYTES = 8 * 1024 * 1024, /* a line for each recipient */
    CHUNK_MIN_BYTES = 1024, /* whoever sends less could use NOOP as well */
};

#define FROM_MEMBER(pointer, type, member)                                               \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static struct metric violations = { .kind = METRIC_COUNTER,
                                    .name = "postbus_smtp_violations",
                                    .labels = "",
                                    .help =
                                        "Connections cut for breaking the protocol." };

static void session_free(struct session *s)
{
    cmd_auth_forget(s);
    transaction_free(&s->mail);
    mem_free(s->account_address);
    mem_free(s->hello);
    buf_fini(&s->reply);
    mem_free(s);
}

static void say_goodbye(struct session *s, int code, const char *enhanced,
                        const char *text)
{
    struct buf *out = conn_out(s->conn);
    size_t mark = out->n;

    smtp_reply_put(out, code, enhanced, str_of(text));
    dialogue_said(s, out, mark);
    conn_close(s->conn);
}

static void set_timeout(struct session *s)
{
    conn_set_timeout_ms(s->conn, pace_wait_ms(&s->pace, clock_monotonic_ms()));
}

/* What a command that was answered means for the time that is left, and at the door. */
static void keep_pace(struct session *s, enum cmd_result result, enum smtp_state before)
{
    struct door_guest *guest = conn_guest(s->conn);
    int64_t now_ms = clock_monotonic_ms();
    bool good = result == CMD_DONE, first = false;

    if (smtp_states_in_data(before) && !smtp_states_in_data(s->state))
        pace_data_ends(&s->pace, good && s->event == EV_END, now_ms);
    if (s->event == EV_RCPT && good)
        first = pace_recipient(&s->pace, now_ms);
    else if (s->event == EV_CHUNK ? s->chunk_bytes < CHUNK_MIN_BYTES : s->event != EV_END)
        pace_command(&s->pace);
    if (!smtp_states_in_data(before) && smtp_states_in_data(s->state))
        pace_data_begins(&s->pace, now_ms);
    if (good && s->event == EV_AUTH)
        pace_login(&s->pace);
    /* Nobody is kept: a client that has nothing to send comes again when it has. */
    if (good && (s->event == EV_AUTH || s->event == EV_END))
        door_prove(guest, DOOR_FRIEND, now_ms);
    else if (first)
        door_step(guest, now_ms);
}

/* What was replied to a message, behind mark, over LMTP.  A chunk that is refused before
 * the last has one reply, as each of these. */
static void answer_each(const struct session *s, enum cmd_result result, struct buf *out,
                        size_t mark)
{
    if (s->port->kind == PORT_LMTP && s->event == EV_END && result != CMD_LATER &&
        (s->chunk_last || !s->mail->data.is_chunked))
        transaction_answer_each(s->mail, out, mark);
}

/* Where the command that just ended leads to. */
static void finish(struct session *s, enum cmd_result result)
{
    enum smtp_state before = s->state;
    bool fails = result == CMD_FAIL;

    if (result == CMD_LATER)
        return;
    if (result == CMD_CLOSE) {
        conn_close(s->conn);
        return;
    }
    if (s->event == EV_AUTH)
        cmd_auth_forget(s);
    if (fails)
        s->errors++;
    /* The end of a message leads on whether it was accepted or not. */
    if (!fails || s->event == EV_END)
        s->state = smtp_states_next(s->state, s->event);
    if (!smtp_states_has_mail(s->state))
        transaction_free(&s->mail);
    keep_pace(s, result, before);
    if (s->leaving)
        say_goodbye(s, 421, "4.3.2", "Service is going away");
    else if (s->auth_failures >= AUTH_FAILURES_MAX)
        say_goodbye(s, 421, "4.7.0", "Too many failed logins");
    else if (s->errors >= ERRORS_MAX)
        say_goodbye(s, 421, "4.7.0", "Too many errors");
    else if (pace_dawdles(&s->pace))
        say_goodbye(s, 421, "4.7.0", "Too many commands without a message");
}

static enum cmd_result unknown(struct session *s, str_t verb, struct buf *out)
{
    static const str_t foreign[] = { STR("GET"),     STR("POST"),    STR("PUT"),
                                     STR("HEAD"),    STR("OPTIONS"), STR("CONNECT"),
                                     STR("PROPFIND") };

    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        if (str_eq_nocase(verb, foreign[i])) {
            metric_add(&violations, 1);
            smtp_reply_put(out, 421, "4.7.0", S("This is not a web server"));
            return CMD_CLOSE;
        }
    }
    s->event = EV_NONE;
    smtp_reply_put(out, 500, "5.5.2", S("Command not recognized"));
    return CMD_FAIL;
}

/* A stranger who does not wait speaks through somebody else's session (smuggling,
 * cross-protocol requests): what stands behind would be run as commands. */
static enum cmd_result refuse_pipelining(struct buf *out)
{
    metric_add(&violations, 1);
    smtp_reply_put(out, 554, "5.5.1", S("Improper use of SMTP command pipelining"));
    return CMD_CLOSE;
}

static enum cmd_result execute(struct session *s, str_t line, bool pipelined)
{
    struct smtp_cmd cmd = { .session = s, .rest = line, .out = conn_out(s->conn) };
    struct smtp_command parsed;

    if (s->sasl != SASL_NONE)
        return cmd_auth_line(&cmd);
    s->event = EV_NONE;
    if (smtp_command_split(line, true, &parsed) != RC_OK) {
        smtp_reply_put(cmd.out, 500, "5.5.2", S("Syntax error"));
        return CMD_FAIL;
    }
    cmd.row = smtp_commands_find(parsed.verb);
    cmd.rest = parsed.rest;
    if (cmd.row == NULL)
        return unknown(s, parsed.verb, cmd.out);
    /* Asked first: what stands behind a DATA that is refused is a message.  Accounts need
     * not wait: they have shown who they are. */
    if (pipelined && (cmd.row->flags & SMTP_LAST) != 0 && s->port->kind == PORT_MX)
        return refuse_pipelining(cmd.out);
    if (!smtp_commands_allowed(s, cmd.row, cmd.rest, cmd.out))
        return (cmd.row->flags & SMTP_OCTETS) != 0 ? cmd_bdat_skip(&cmd) : CMD_FAIL;
    s->event = cmd.row->event;
    return cmd.row->handler(&cmd);
}

static enum cmd_result reject_line(struct session *s, enum smtp_frame frame)
{
    const char *text = frame == SMTP_FRAME_TOO_LONG  ? "Line too long"
                       : frame == SMTP_FRAME_BARE_CR ? "Bare CR in a command"
                       : frame == SMTP_FRAME_BARE_LF ? "Bare LF in a command"
                                                     : "NUL byte in a command";

    metric_add(&violations, 1);
    smtp_reply_put(conn_out(s->conn), 500, "5.5.2", str_of(text));
    return CMD_CLOSE;
}

/* False: more input is needed. */
static bool step_line(struct session *s, struct buf *in)
{
    char copy[SMTP_FRAMER_MAX_BYTES];
    struct buf *out = conn_out(s->conn);
    size_t used, mark = out->n;
    str_t line;
    enum smtp_frame frame = smtp_framer_feed(&s->framer, buf_str(in), &used, &line);
    enum cmd_result result;

    if (frame == SMTP_FRAME_MORE)
        return false;
    if (frame != SMTP_FRAME_LINE) {
        finish(s, reject_line(s, frame));
        return false;
    }
    /* The handler may start TLS, which wants the input to be empty; and a line may hold a
     * password, of which nothing stays behind. */
    memcpy(copy, line.p, line.n);
    line.p = copy;
    crypto_wipe(in->p, used);
    buf_consume(in, used);
    dialogue_heard(s, line);
    result = execute(s, line, in->n > 0);
    dialogue_carried_out(s, line, result);
    crypto_wipe(copy, line.n);
    answer_each(s, result, out, mark);
    dialogue_said(s, out, mark);
    finish(s, result);
    return true;
}

static bool step_data(struct session *s, struct buf *in)
{
    struct smtp_cmd cmd = { .session = s, .out = conn_out(s->conn) };
    int64_t now_ms = clock_monotonic_ms();
    size_t before = in->n, mark = cmd.out->n;
    enum cmd_result result;

    s->event = EV_END;
    result = s->state == ST_DATA ? cmd_data_feed(&cmd, in) : cmd_bdat_feed(&cmd, in);
    if (pace_data(&s->pace, before - in->n, now_ms))
        door_step(conn_guest(s->conn), now_ms);
    answer_each(s, result, cmd.out, mark);
    dialogue_said(s, cmd.out, mark);
    finish(s, result);
    return in->n > 0;
}

/* What was refused before it came. */
static bool step_skip(struct session *s, struct buf *in)
{
    size_t n = in->n < s->skip_bytes ? in->n : (size_t)s->skip_bytes;

    buf_consume(in, n);
    s->skip_bytes -= n;
    return in->n > 0;
}

static void turn(struct session *s)
{
    struct buf *in = conn_in(s->conn);
    bool more = true;

    log_context("session=%" PRIx64, s->serial);
    while (more && in->n > 0 && !s->in_job && !s->delayed && conn_has_room(s->conn))
        more = s->skip_bytes > 0                             ? step_skip(s, in)
               : s->state == ST_DATA || s->state == ST_CHUNK ? step_data(s, in)
                                                             : step_line(s, in);
    log_context_clear();
    if (conn_is_closing(s->conn))
        return;
    conn_flush(s->conn);
    if (s->in_job || s->delayed)
        return;
    if (s->eof)
        conn_close(s->conn);
    else
        set_timeout(s);
}

/* The result of a job reaches the client. */
static void deliver(struct session *s)
{
    s->delayed = false;
    pace_heard(&s->pace, clock_monotonic_ms()); /* the wait was ours */
    answer_each(s, s->job_result, &s->reply, 0);
    dialogue_said(s, &s->reply, 0);
    if (conn_put_buf(s->conn, &s->reply) != RC_OK)
        return;
    finish(s, s->job_result);
    turn(s);
}

/* Whoever has hung up during a wait will send the message again. */
static bool has_left(struct session *s)
{
    return s->eof && conn_in(s->conn)->n == 0;
}

/* A message that the judges let pass goes on to a worker. */
static void store(struct session *s)
{
    struct smtp_cmd cmd = { .session = s, .out = conn_out(s->conn) };
    size_t mark = cmd.out->n;
    enum cmd_result result;

    if (has_left(s)) {
        conn_close(s->conn);
        return;
    }
    pace_heard(&s->pace, clock_monotonic_ms()); /* the wait was no silence */
    result = session_job(&cmd, s->ingress->commands, accept_message);
    answer_each(s, result, cmd.out, mark);
    dialogue_said(s, cmd.out, mark);
    finish(s, result);
    turn(s);
}

static void job_back(struct loop_post *post)
{
    struct session *s = FROM_MEMBER(post, struct session, back);
    int64_t delay_ms = s->ingress->options->login_failure_delay_ms;

    s->in_job = false;
    if (s->conn == NULL) {
        session_free(s);
        return;
    }
    door_busy(conn_guest(s->conn), false);
    if (s->event == EV_AUTH && s->job_result == CMD_FAIL && delay_ms > 0) {
        s->delayed = true;
        conn_set_timeout_ms(s->conn, delay_ms);
        return;
    }
    if (s->job_result == CMD_JUDGED)
        store(s);
    else
        deliver(s);
}

static void job_run(struct job *j, struct worker *w)
{
    struct session *s = FROM_MEMBER(j, struct session, job);
    enum cmd_result result;

    log_context("session=%" PRIx64, s->serial);
    result = s->job_fn(s, w, &s->reply);
    log_context_clear();
    /* With CMD_LATER the session may be in other hands already. */
    if (result != CMD_LATER)
        session_job_done(s, result);
}

static void on_open(struct conn *c)
{
    const struct port *port = conn_listener_user(c);
    struct session *s = mem_try_alloc(sizeof(*s));

    if (s == NULL) {
        conn_abort(c);
        return;
    }
    s->conn = c;
    s->loop = conn_loop(c);
    s->ingress = port->ingress;
    s->port = port;
    s->serial = conn_serial(c);
    s->client_key = cidr_client_key(conn_peer(c));
    s->state = ST_GREETED;
    s->tls = conn_is_tls(c);
    pace_begin(&s->pace, &port->pace, clock_monotonic_ms());
    smtp_framer_init(&s->framer, SMTP_FRAMER_MAX_BYTES);
    buf_init(&s->reply, port->kind == PORT_LMTP ? LMTP_REPLY_MAX_BYTES : REPLY_MAX_BYTES);
    conn_set_user(c, s);
    if (atomic_load(&s->ingress->draining)) {
        say_goodbye(s, 421, "4.3.2", "Service is going away");
        return;
    }
    if (port->admitted != NULL && !cidr_list_has(port->admitted, conn_peer(c))) {
        say_goodbye(s, 554, "5.7.1", "Access denied");
        return;
    }
    if (port->kind == PORT_LMTP)
        pace_login(&s->pace); /* servers keep their connections */
    smtp_reply_printf(conn_out(c), 220, NULL, "%.*s %s", STR_ARG(s->ingress->host),
                      port->kind == PORT_LMTP ? "LMTP" : "ESMTP");
    dialogue_said(s, conn_out(c), 0);
    turn(s);
}

static void on_input(struct conn *c)
{
    struct session *s = conn_user(c);

    pace_heard(&s->pace, clock_monotonic_ms());
    turn(s);
}

static void on_drain(struct conn *c)
{
    on_input(c); /* whoever reads is alive */
}

static void on_layer(struct conn *c)
{
    struct session *s = conn_user(c);

    s->tls = conn_is_tls(c);
    pace_heard(&s->pace, clock_monotonic_ms());
    set_timeout(s);
}

static void on_timeout(struct conn *c)
{
    struct session *s = conn_user(c);

    if (s->delayed)
        deliver(s);
    else if (s->in_job)
        return;
    else if (pace_is_over(&s->pace, clock_monotonic_ms()))
        say_goodbye(s, 421, "4.4.2", "Timeout exceeded");
    else
        set_timeout(s);
}

static void on_eof(struct conn *c)
{
    struct session *s = conn_user(c);

    s->eof = true;
    if (s->in_job && has_left(s))
        judge_give_up(s);
    turn(s);
}

static void on_close(struct conn *c)
{
    struct session *s = conn_user(c);

    if (s == NULL)
        return;
    s->conn = NULL;
    if (s->in_job)
        judge_give_up(s);
    else
        session_free(s);
}

const struct conn_handler session_handler = {
    .on_open = on_open,
    .on_input = on_input,
    .on_layer = on_layer,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_eof = on_eof,
    .on_close = on_close,
};

enum cmd_result session_job(struct smtp_cmd *cmd, struct worker_pool *pool,
                            session_job_fn fn)
{
    struct session *s = cmd->session;
    enum rc rc;

    s->job.run = job_run;
    s->back.run = job_back;
    s->job_fn = fn;
    s->in_job = true;
    door_busy(conn_guest(s->conn), true);
    conn_set_timeout_ms(s->conn, 0);
    rc = worker_pool_submit(pool, &s->job);
    if (rc == RC_OK)
        return CMD_LATER;
    s->in_job = false;
    door_busy(conn_guest(s->conn), false);
    smtp_reply_rc(cmd->out, rc == RC_CLOSED ? RC_CLOSED : RC_RETRY);
    return CMD_FAIL;
}

void session_job_done(struct session *s, enum cmd_result result)
{
    s->job_result = result;
    loop_post(s->loop, &s->back);
}

static void leave(struct session *s, bool in_data)
{
    if (s == NULL || conn_is_closing(s->conn))
        return;
    s->leaving = true;
    if (s->in_job && in_data)
        judge_give_up(s);
    if (!s->in_job && !s->delayed && (in_data || !smtp_states_in_data(s->state)))
        say_goodbye(s, 421, "4.3.2", "Service is going away");
}

void session_drain(struct conn *c, void *unused)
{
    (void)unused;
    leave(conn_user(c), false);
}

void session_part(struct conn *c, void *unused)
{
    (void)unused;
    leave(conn_user(c), true);
}

void session_register_metrics(void)
{
    metric_register(&violations);
}
