/* session.c - one client: its life, its timers, its looks at the mailbox. */
#include "session_private.h"

#include "body_cache.h"
#include "gateway.h"
#include "hints.h"
#include "imap_reply.h"
#include "io.h"
#include "view.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/cidr.h"
#include "net/door.h"
#include "store/store_mailbox.h"
#include "svc/options.h"

#include <inttypes.h>

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

bool session_is_logged_in(const struct session *s)
{
    return (s->imap.state & ST_LOGGED_IN) != 0;
}

const struct options *session_options(const struct session *s)
{
    return s->io->gateway->options;
}

void session_begin_command(struct session *s)
{
    imap_framer_init(&s->framer, session_is_logged_in(s) ? COMMAND_BYTES : GREETED_BYTES);
}

/* -- time -- */

static int64_t timeout_ms(const struct session *s)
{
    int64_t left;

    switch ((enum mode)s->mode) {
    case MODE_IDLE:
        return session_options(s)->idle_keepalive_seconds * MS_PER_SECOND;
    case MODE_DELAYED:
        return session_options(s)->login_failure_delay_ms;
    case MODE_APPEND:
    case MODE_APPEND_END:
        return APPEND_STALL_MS;
    default:
        break;
    }
    if (session_is_logged_in(s))
        return session_options(s)->session_timeout_seconds * MS_PER_SECOND;
    left = s->greeted_until_ms - clock_monotonic_ms();
    return left > 0 ? left : 1;
}

void session_set_timeout(struct session *s)
{
    /* 0 would mean "never" to the conn. */
    int64_t ms = s->command != NULL ? BUSY_MS : timeout_ms(s);

    conn_set_timeout_ms(s->conn, ms > 0 ? ms : 1);
}

/* -- endings -- */

void session_bye(struct session *s, const char *text)
{
    imap_reply_bye(conn_out(s->conn), text);
    conn_close(s->conn);
}

void session_leave_idle(struct session *s)
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
        session_leave_idle(s);
    if (s->joined)
        io_leave(s->io, s, s->imap.account);
    io_poll_forget(s->io, s);
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

bool session_has_news(struct session *s)
{
    bool news = s->hints > HINTS_KEPT;

    for (uint8_t i = 0; i < s->hints && i < HINTS_KEPT; i++)
        news |= !is_known(s, s->hint[i].mailbox, s->hint[i].modseq);
    if (!news)
        s->hints = 0;
    return news || s->leftover;
}

static void keep_hint(struct session *s, const struct hints_news *news)
{
    if (s->hints < HINTS_KEPT) {
        s->hint[s->hints].mailbox = news->mailbox;
        s->hint[s->hints].modseq = news->modseq;
        s->hint[s->hints].body = news->body;
        s->hint[s->hints].size = news->size;
    }
    if (s->hints <= HINTS_KEPT)
        s->hints++;
}

static void command_done(struct command_job *c);

bool session_submit(struct session *s, struct command_job *c)
{
    enum rc rc;

    c->user = s;
    c->done = command_done;
    s->command = c;
    rc = command_job_submit(c);
    if (rc != RC_OK)
        s->command = NULL;
    door_busy(conn_guest(s->conn), rc == RC_OK);
    session_set_timeout(s);
    return rc == RC_OK;
}

/* What the client will ask for next, if it is small and not here already. */
static void read_ahead(const struct session *s, struct command_job *c)
{
    for (uint8_t i = 0; i < s->hints && i < HINTS_KEPT; i++)
        if (s->hint[i].body != 0 && s->hint[i].size > 0 &&
            s->hint[i].size <= STORE_MESSAGE_AHEAD_BYTES &&
            s->hint[i].mailbox == s->imap.view->mailbox &&
            !body_cache_has(s->io->gateway->bodies, s->hint[i].body))
            c->ahead[c->ahead_count++] =
                (struct store_body_want){ .body_id = s->hint[i].body,
                                          .size = (int32_t)s->hint[i].size };
}

static void look(struct session *s)
{
    struct command_job *c;

    if (s->command != NULL || s->imap.view == NULL)
        return;
    c = command_job_new(s->io->gateway, s->io->loop, &s->imap, S(""));
    read_ahead(s, c);
    s->hints = 0;
    s->leftover = false;
    metric_add(&looks, 1);
    if (!session_submit(s, c)) {
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
    keep_hint(s, news);
    if (s->command == NULL && session_has_news(s) && s->mode == MODE_IDLE)
        look(s);
}

void session_missed(struct session *s)
{
    if (s->mode != MODE_IDLE || s->command != NULL)
        s->hints = HINTS_KEPT + 1;
}

/* A look that is under way may have begun before the subscription took effect. */
static bool may_be_asked(const struct session *s, int64_t fresh_before_ms)
{
    return s->command == NULL &&
           (fresh_before_ms == 0 || (s->fresh && s->subscribed_ms <= fresh_before_ms));
}

int64_t session_poll_wants(const struct session *s, int64_t fresh_before_ms)
{
    if (!may_be_asked(s, fresh_before_ms) || s->mode != MODE_IDLE || s->imap.view == NULL)
        return 0;
    return s->imap.view->mailbox;
}

void session_poll_asked(struct session *s, int64_t fresh_before_ms)
{
    if (fresh_before_ms == 0 || !may_be_asked(s, fresh_before_ms))
        return;
    s->fresh = false;
    /* Who does not idle yet looks when IDLE begins, unless SELECT comes before. */
    s->leftover |= s->mode != MODE_IDLE;
}

bool session_is_fresh(const struct session *s)
{
    return s->joined && s->fresh;
}

void session_polled(struct session *s, const struct store_mailbox_mark *mark)
{
    const struct view *v = s->imap.view;

    /* Smaller numbers are those of a PostgreSQL that crashed and forgot something. */
    if (mark == NULL || mark->modseq != v->modseq || mark->uidnext != v->uidnext)
        look(s);
}

/* -- results of commands -- */

/* Hints may be missing, for the subscription has not surely taken effect. */
static bool is_young(const struct session *s)
{
    return clock_monotonic_ms() - s->subscribed_ms <= IO_SETTLE_MS;
}

static void start_idle(struct session *s, str_t tag)
{
    s->mode = MODE_IDLE;
    s->tag = mem_cstr(tag.p, tag.n);
    metric_add(&idle_sessions, 1);
    conn_flush(s->conn);
    /* Hints are kept while commands run, so what came between the last command and IDLE
     * is known; before the subscription had time to take effect, they may be missing. */
    if (s->fresh || session_has_news(s))
        look(s);
    s->fresh = s->fresh && is_young(s);
}

static void start_tls(struct session *s)
{
    s->mode = MODE_HANDSHAKE;
    (void)conn_start_tls(s->conn, s->io->gateway->tls);
}

void session_apply(struct session *s, enum cmd_result result, str_t tag)
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
    case CMD_AWAY:
        break;
    }
    if (s->imap.bad_count >= BAD_COMMANDS && !conn_is_closing(s->conn))
        session_bye(s, "Too many invalid commands");
}

/* A login has succeeded: from here on the account's news concern this session. */
static bool join(struct session *s)
{
    s->joined = io_join(s->io, s, s->imap.account, &s->subscribed_ms) == RC_OK;
    s->fresh = s->joined && is_young(s);
    if (s->fresh)
        io_poll_settle(s->io);
    session_begin_command(s); /* with the room of somebody who is known */
    if (s->joined)
        door_prove(conn_guest(s->conn), DOOR_KEPT, clock_monotonic_ms());
    else
        session_bye(s, "[LIMIT] Too many sessions of this account");
    return s->joined;
}

static void hold_back(struct session *s, struct command_job *c)
{
    metric_add(&refused_logins, 1);
    s->failures++;
    s->gather = c;
    s->mode = MODE_DELAYED;
    session_set_timeout(s);
}

/* A command that was away when the drain began has been answered. */
static void end_if_draining(struct session *s)
{
    if (s->draining && !conn_is_closing(s->conn))
        session_bye(s, "Server is going away, please reconnect");
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
    if (session_is_logged_in(s) && !s->joined && !join(s)) {
        command_job_free(&c);
        return;
    }
    if (conn_put_buf(s->conn, &c->out) == RC_OK)
        session_apply(s, result, S(""));
    command_job_free(&c);
    end_if_draining(s);
    go_on(s);
}

static void resume(struct session *s)
{
    struct command_job *c = s->command;

    s->waits = false;
    if (!session_submit(s, c)) {
        command_job_free(&c);
        session_bye(s, "Server is too busy");
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
    door_busy(conn_guest(s->conn), false);
    if (c->result != CMD_MORE) {
        finish(s, c);
        return;
    }
    s->waits = true;
    if (conn_put_buf(s->conn, &c->out) == RC_OK && conn_has_room(s->conn))
        resume(s);
}

struct imap_cmd session_inline_cmd(struct session *s, struct imap_cursor *cursor)
{
    return (struct imap_cmd){
        .arena = s->io->arena,
        .gateway = s->io->gateway,
        .session = &s->imap,
        .out = conn_out(s->conn),
        .cursor = cursor,
    };
}

/* The client sends no more, and everything was answered. */
static bool is_over(const struct session *s)
{
    return s->eof && s->command == NULL && s->mode != MODE_DELAYED &&
           conn_has_room(s->conn);
}

/* Use the input that is there as far as it goes, and as far as the client takes its
 * answers: on_drain goes on. */
static void go_on(struct session *s)
{
    while (s->command == NULL && conn_has_room(s->conn) && conn_in(s->conn)->n > 0)
        if (!session_read_step(s))
            break;
    arena_reset(s->io->arena);
    if (conn_is_closing(s->conn))
        return;
    conn_flush(s->conn);
    if (is_over(s)) {
        conn_close(s->conn);
        return;
    }
    if (s->command == NULL && s->mode == MODE_IDLE && session_has_news(s) && s->hints > 0)
        look(s);
    session_set_timeout(s);
}

/* -- the conn's calls -- */

static void on_open(struct conn *conn)
{
    struct io *io = conn_listener_user(conn);
    struct session *s = mem_try_alloc(sizeof *s);
    struct imap_cursor cursor = { 0 };
    struct imap_cmd cmd;

    if (s == NULL) {
        conn_abort(conn);
        return;
    }
    s->conn = conn;
    s->io = io;
    s->imap.state = ST_GREETED;
    s->imap.tls = conn_is_tls(conn);
    s->imap.id = conn_serial(conn);
    s->imap.client_key = cidr_client_key(conn_peer(conn));
    s->greeted_until_ms = clock_monotonic_ms() + GREETED_MS;
    s->links.next = io->sessions;
    if (io->sessions != NULL)
        io->sessions->links.previous = s;
    io->sessions = s;
    atomic_fetch_add(&io->gateway->sessions, 1);
    metric_add(&open_sessions, 1);
    conn_set_user(conn, s);
    session_begin_command(s);
    cmd = session_inline_cmd(s, &cursor);
    if (atomic_load(&io->gateway->draining)) {
        session_bye(s, "Server is going away, please reconnect");
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

static void on_layer(struct conn *conn)
{
    struct session *s = conn_user(conn);

    s->imap.tls = conn_is_tls(conn);
    s->mode = MODE_COMMAND;
    session_begin_command(s);
    go_on(s);
}

static void on_drain(struct conn *conn)
{
    struct session *s = conn_user(conn);

    if (s->waits)
        resume(s);
    else
        go_on(s);
}

static void answer_refused(struct session *s)
{
    struct command_job *c = s->gather;

    s->gather = NULL;
    s->mode = MODE_COMMAND;
    if (conn_put_buf(s->conn, &c->out) == RC_OK && s->failures >= LOGIN_FAILURES)
        session_bye(s, "Too many failed logins");
    command_job_free(&c);
    end_if_draining(s);
    if (!conn_is_closing(s->conn))
        go_on(s);
}

static void on_timeout(struct conn *conn)
{
    struct session *s = conn_user(conn);

    if (s->command != NULL) {
        session_set_timeout(s);
    } else if (s->mode == MODE_IDLE) {
        imap_reply_untagged(conn_out(conn), "OK Still here");
        conn_flush(conn);
        session_set_timeout(s);
    } else if (s->mode == MODE_DELAYED) {
        answer_refused(s);
    } else {
        session_bye(s, "Disconnected for inactivity");
    }
}

static void on_eof(struct conn *conn)
{
    struct session *s = conn_user(conn);

    s->eof = true;
    if (s->mode == MODE_IDLE || is_over(s))
        conn_close(conn);
}

static void on_close(struct conn *conn)
{
    struct session *s = conn_user(conn);

    if (s == NULL) /* there was no memory for it */
        return;
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
    session_bye(s, "Server is going away, please reconnect");
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
