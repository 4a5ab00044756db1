/* judge.c - checks of a message that wait for others, without a thread while they wait.
 *
 * Each release counts the open holds down, in whose thread ever; the judge that has run
 * the checks looks at the count when it leaves.  Whichever of the two comes last brings
 * the message on: one lock decides.
 */
#include "judge.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "checks.h"
#include "ingress.h"
#include "mail/dns_table.h"
#include "net/dns.h"
#include "net/door.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <pthread.h>

struct judge {
    struct judge_options options;
    struct worker_pool *pool;
};

struct hold {
    void (*forget)(void *what);
    void *what;
    struct hold *next;
};

/* Of one message, in its arena. */
struct judgement {
    struct judge *judge;
    struct session *session;
    struct door_guest *guest; /* under the lock, until given_up */
    struct deadline until;
    struct judge_client client;
    struct dns_table table; /* of who has the message */
    struct hold *holds;     /* added to under the lock, by who has the message */
    size_t hold_count;
    pthread_mutex_t lock; /* for the rest */
    size_t open;          /* holds that are not released */
    bool waits;           /* in no thread, until `open` is 0 */
    bool given_up;
};

static struct metric waiting = { .kind = METRIC_GAUGE,
                                 .name = "postbus_smtp_waiting_messages",
                                 .labels = "",
                                 .help =
                                     "Messages whose checks wait for DNS or others." };

struct judge *judge_new(const struct judge_options *o)
{
    struct judge *j = mem_alloc(sizeof(*j));
    struct worker_pool_options pool = { .name = "judge",
                                        .count = o->threads,
                                        .queue_max = o->queue_max };

    j->options = *o;
    j->pool = worker_pool_new(&pool);
    return j;
}

enum rc judge_drain(struct judge *j, struct deadline until)
{
    return worker_pool_drain(j->pool, until);
}

void judge_free(struct judge **j)
{
    if (*j == NULL)
        return;
    worker_pool_free(&(*j)->pool);
    mem_free(*j);
    *j = NULL;
}

/* What a judge does whose checks wait. */
enum next { NEXT_RUN, NEXT_LEAVE, NEXT_GIVE_UP };

/* NEXT_LEAVE: the message is no longer the caller's. */
static enum next lie_down(struct judgement *g)
{
    enum next next;

    CHECK(pthread_mutex_lock(&g->lock) == 0);
    next = g->given_up ? NEXT_GIVE_UP : g->open > 0 ? NEXT_LEAVE : NEXT_RUN;
    g->waits = next == NEXT_LEAVE;
    if (g->waits) {
        metric_add(&waiting, 1);
        door_busy(g->guest, false); /* from here on it waits for others, not for us */
    }
    CHECK(pthread_mutex_unlock(&g->lock) == 0);
    return next;
}

/* True: it was waiting, and is the caller's now. */
static bool pick_up(struct judgement *g)
{
    if (!g->waits)
        return false;
    g->waits = false;
    metric_add(&waiting, -1);
    door_busy(g->guest, true);
    return true;
}

static enum dns_table_state state_of(enum rc rc, const struct dns_records *found)
{
    switch (rc) {
    case RC_OK:
        return found->count > 0 ? DNS_TABLE_RECORDS : DNS_TABLE_NODATA;
    case RC_NOT_FOUND:
        return found->status.nxdomain ? DNS_TABLE_NXDOMAIN : DNS_TABLE_NODATA;
    case RC_INVALID:
        return DNS_TABLE_NXDOMAIN;
    default:
        return DNS_TABLE_FAILED;
    }
}

/* No hold is open, so everything that was asked is answered. */
static void take_answers(struct judgement *g)
{
    struct dns_table_row *row = NULL;
    struct dns_records found;

    while ((row = dns_table_wanted(&g->table, row)) != NULL) {
        if (row->question == NULL)
            continue;
        row->state =
            state_of(dns_answer_raw(row->question, g->table.arena, &found), &found);
        row->records = found.data;
        row->count = found.count;
    }
}

/* A session_job_fn, once and after each wait. */
static enum cmd_result judge_message(struct session *s, struct worker *w, struct buf *out)
{
    struct judgement *g = s->mail->judgement;
    struct check *c = checks_of_message(s, out);
    enum check_result result = CHECK_WAIT;
    enum next next = NEXT_RUN;

    (void)w;
    if (c == NULL)
        return CMD_FAIL;
    c->judgement = g;
    while (result == CHECK_WAIT && next == NEXT_RUN) {
        size_t before = g->hold_count;

        take_answers(g);
        result = checks_run(c, CHECKS_MESSAGE, CHECKS_FIRST | CHECKS_JUDGE | CHECKS_LAST);
        CHECK(result != CHECK_WAIT || g->hold_count > before);
        if (result == CHECK_WAIT)
            next = lie_down(g);
    }
    if (next == NEXT_LEAVE)
        return CMD_LATER;
    if (result == CHECK_PASS)
        return CMD_JUDGED;
    return c->is_last_word ? CMD_CLOSE : CMD_FAIL;
}

static struct judge_client client_of(const struct session *s)
{
    return (struct judge_client){
        .address = *conn_peer(s->conn),
        .hello = arena_str(s->mail->arena, str_of(s->hello)),
        .passes_on = s->port->kind == PORT_LMTP,
        .tls_version = conn_tls_version(s->conn),
        .tls_cipher = conn_tls_cipher(s->conn),
    };
}

enum cmd_result judge_begin(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    struct judge *j = s->ingress->judge;
    struct judgement *g = arena_alloc(s->mail->arena, sizeof(*g));

    g->judge = j;
    g->session = s;
    g->guest = conn_guest(s->conn);
    g->until = deadline_in_ms(j->options.wait_ms);
    g->client = client_of(s);
    dns_table_init(&g->table, s->mail->arena);
    s->mail->queue_id = crypto_random_id(s->mail->arena); /* to name it to others by */
    CHECK(pthread_mutex_init(&g->lock, NULL) == 0);
    s->mail->judgement = g;
    return session_job(cmd, j->pool, judge_message);
}

void judge_give_up(struct session *s)
{
    struct judgement *g = s->mail != NULL ? s->mail->judgement : NULL;
    bool mine;

    if (g == NULL)
        return;
    CHECK(pthread_mutex_lock(&g->lock) == 0);
    g->given_up = true;
    mine = pick_up(g);
    CHECK(pthread_mutex_unlock(&g->lock) == 0);
    if (mine)
        session_job_done(s, CMD_FAIL);
}

void judge_forget(struct judgement *g)
{
    if (g == NULL)
        return;
    for (struct hold *h = g->holds; h != NULL; h = h->next)
        h->forget(h->what);
    CHECK(pthread_mutex_destroy(&g->lock) == 0);
}

struct deadline judge_until(const struct judgement *g)
{
    return g->until;
}

void judge_hold(struct judgement *g, void (*forget)(void *what), void *what)
{
    struct hold *h;

    CHECK(pthread_mutex_lock(&g->lock) == 0);
    h = arena_alloc(g->session->mail->arena, sizeof(*h));
    h->forget = forget;
    h->what = what;
    h->next = g->holds;
    g->holds = h;
    g->hold_count++;
    g->open++;
    CHECK(pthread_mutex_unlock(&g->lock) == 0);
}

void judge_release(struct judgement *g)
{
    struct session *s = g->session;
    struct judge *j = g->judge;
    bool mine;
    enum rc rc;

    CHECK(pthread_mutex_lock(&g->lock) == 0);
    CHECK(g->open > 0);
    g->open--;
    mine = g->open == 0 && pick_up(g);
    CHECK(pthread_mutex_unlock(&g->lock) == 0);
    if (!mine)
        return;
    rc = worker_pool_submit(j->pool, &s->job);
    if (rc == RC_OK)
        return;
    smtp_reply_rc(&s->reply, rc == RC_CLOSED ? RC_CLOSED : RC_RETRY);
    session_job_done(s, rc == RC_CLOSED ? CMD_CLOSE : CMD_FAIL);
}

const struct judge_client *judge_client(const struct judgement *g)
{
    return &g->client;
}

struct session *judge_session(const struct judgement *g)
{
    return g->session;
}

static void on_answer(void *user)
{
    judge_release(user);
}

static void forget_question(void *what)
{
    dns_forget(what);
}

struct dns_question *judge_ask(struct judgement *g, str_t name, int type)
{
    struct dns_question **q = arena_alloc(g->session->mail->arena, sizeof(*q));
    struct dns_wait wait = { .until = g->until,
                             .answered = on_answer,
                             .user = g,
                             .asker = g->session->client_key,
                             .kind = DNS_NAME_ANY };

    /* First: the answer may come before there is a question to forget. */
    judge_hold(g, forget_question, q);
    *q = dns_ask(g->judge->options.dns, name, type, &wait);
    return *q;
}

struct dns_table *judge_table(struct judgement *g)
{
    return &g->table;
}

void judge_ask_table(struct judgement *g)
{
    struct dns_table_row *row = NULL;

    while ((row = dns_table_wanted(&g->table, row)) != NULL) {
        if (row->question == NULL)
            row->question = judge_ask(g, row->name, row->type);
    }
}

void judge_register_metrics(void)
{
    metric_register(&waiting);
}
