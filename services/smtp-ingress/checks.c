/* checks.c - run the table. */
#include "checks.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "check_spf.h"
#include "net/spool.h"
#include "session.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

/* Does the word of an option mean one of these ways? */
static bool covers(const char *word, unsigned directions)
{
    return (directions & (str_eq(str_of(word), S("incoming"))   ? CHECKS_INCOMING
                          : str_eq(str_of(word), S("outgoing")) ? CHECKS_OUTGOING
                                                                : CHECKS_BOTH)) != 0;
}

/* Is somebody shown the message?  Read off the rows, which are below. */
static bool asks_others(const struct options *o, unsigned directions);

static bool has_traffic(const struct options *o)
{
    return o->incoming_at_once + o->incoming_per_minute +
               o->incoming_at_once_per_network + o->incoming_per_minute_per_network +
               o->incoming_at_once_per_domain + o->incoming_per_minute_per_domain !=
           0;
}

#define CHECK_ROW(id, phase, place, directions, when)                                    \
    static bool wants_##id(const struct options *o, unsigned d)                          \
    {                                                                                    \
        (void)o, (void)d;                                                                \
        return when;                                                                     \
    }
#include "checks.def"
#undef CHECK_ROW

/* Before the end of DATA nobody waits, and no thread has the message; only a recipient
 * from elsewhere takes its session into a worker. */
#define RUNS_THERE(phase, place, directions)                                             \
    ((place) == CHECKS_LOOP ? (phase) != CHECKS_MESSAGE                                  \
     : (place) == CHECKS_WORKER                                                          \
         ? (phase) == CHECKS_MESSAGE ||                                                  \
               ((phase) == CHECKS_RECIPIENT && (directions) == CHECKS_INCOMING)          \
         : (phase) == CHECKS_MESSAGE)
#define CHECK_ROW(id, phase, place, directions, when)                                    \
    _Static_assert(RUNS_THERE(CHECKS_##phase, CHECKS_##place, CHECKS_##directions),      \
                   #id " cannot run there");
#include "checks.def"
#undef CHECK_ROW

static const struct {
    const char *name;
    enum check_result (*run)(struct check *c);
    bool (*is_wanted)(const struct options *o, unsigned directions);
    unsigned phase, place, directions;
} rows[] = {
#define CHECK_ROW(id, phase, place, directions, when)                                    \
    { #id, check_##id, wants_##id, CHECKS_##phase, CHECKS_##place, CHECKS_##directions },
#include "checks.def"
#undef CHECK_ROW
};

static struct metric refusals[] = {
#define CHECK_ROW(id, phase, place, directions, when)                                    \
    { .kind = METRIC_COUNTER,                                                            \
      .name = "postbus_smtp_refused",                                                    \
      .labels = "check=\"" #id "\"",                                                     \
      .help = "Senders, recipients and messages that a check refused." },
#include "checks.def"
#undef CHECK_ROW
};

static bool asks_others(const struct options *o, unsigned directions)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].place == CHECKS_LAST && i != CHECKS_ROW_forged_results &&
            (rows[i].directions & directions) != 0 && rows[i].is_wanted(o, directions))
            return true;
    return false;
}

struct check checks_of(const struct session *s, struct buf *out)
{
    return (struct check){
        .ingress = s->ingress,
        .direction = checks_direction_of(s->port->kind),
        .account = s->account,
        .account_address = str_of(s->account_address),
        .network = s->client_key,
        .over_https = s->port->over_https,
        .mail = s->mail,
        .in_clear = s->port->kind == PORT_MX && !s->tls,
        .now_us = clock_monotonic_us(),
        .out = out,
    };
}

struct check *checks_of_message(struct session *s, struct buf *out)
{
    struct transaction *t = s->mail;
    struct encrypted_query q = { .direction = s->port->kind == PORT_SUBMISSION
                                                  ? ENCRYPTED_OUTGOING
                                                  : ENCRYPTED_INCOMING,
                                 .recipients = t->recipients,
                                 .recipient_count = t->recipient_count };

    if (t->check == NULL) {
        struct check known = checks_of(s, out);

        t->check = arena_copy(t->arena, &known, sizeof(known));
    }
    if (t->check->is_read)
        return t->check;
    if (spool_finish(t->spool, &t->check->message) != RC_OK) {
        smtp_reply_put(out, 452, "4.3.1", S("Insufficient system storage"));
        return NULL;
    }
    q.message = t->check->message;
    encrypted_judge(t->arena, &q, &t->check->judged);
    t->check->is_read = true;
    return t->check;
}

bool checks_has(const struct options *o, unsigned row, enum checks_direction direction)
{
    CHECK(row < ARRAY_LEN(rows));
    return (rows[row].directions & direction) != 0 && rows[row].is_wanted(o, direction);
}

bool checks_is_over(const struct check *c, unsigned row)
{
    return c->passed[row] || !checks_has(c->ingress->options, row, c->direction);
}

bool checks_need_judge(const struct options *o, unsigned directions)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].place & (CHECKS_JUDGE | CHECKS_LAST)) != 0 &&
            (rows[i].directions & directions) != 0 &&
            rows[i].is_wanted(o, rows[i].directions & directions))
            return true;
    return false;
}

static enum check_result refused(const struct check *c, size_t row)
{
    metric_add(&refusals[row], 1);
    log_info("smtp.refused", "check=%s verdict=\"%.*s\"", rows[row].name,
             STR_ARG(verdict_words(&c->mail->verdict, c->mail->arena)));
    return CHECK_REFUSE;
}

/* What stands before it still waits and may refuse, too: that would be the answer. */
static enum check_result keep_refusal(struct check *c, size_t row, size_t mark)
{
    c->refused = row + 1;
    c->refusal = arena_str(c->mail->arena, str_skip(buf_str(c->out), mark));
    buf_truncate(c->out, mark);
    return CHECK_WAIT;
}

enum check_result checks_run(struct check *c, enum checks_phase phase, unsigned places)
{
    enum check_result all = CHECK_PASS, one;
    size_t mark = c->out->n;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].phase != phase || (rows[i].place & places) == 0 ||
            (rows[i].directions & c->direction) == 0 || c->passed[i] ||
            !rows[i].is_wanted(c->ingress->options, c->direction))
            continue;
        if (rows[i].place == CHECKS_LAST && all == CHECK_WAIT)
            break;
        if (c->refused == i + 1) {
            if (all == CHECK_WAIT)
                return CHECK_WAIT;
            buf_put(c->out, c->refusal);
            return refused(c, i);
        }
        c->state = &c->states[i];
        c->row = i;
        c->row_name = rows[i].name;
        one = rows[i].run(c);
        CHECK(one != CHECK_WAIT || (rows[i].place & (CHECKS_JUDGE | CHECKS_LAST)) != 0);
        if (one == CHECK_REFUSE)
            return all == CHECK_WAIT ? keep_refusal(c, i, mark) : refused(c, i);
        c->passed[i] = one == CHECK_PASS;
        if (one == CHECK_WAIT)
            all = CHECK_WAIT;
    }
    return all;
}

void checks_message_changed(struct check *c)
{
    c->is_read = false;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].place == CHECKS_FIRST && i != CHECKS_ROW_arc &&
            i != CHECKS_ROW_require_tls) /* those are of what came */
            c->passed[i] = false;
}

void checks_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        metric_register(&refusals[i]);
    check_conclude_register_metrics();
}
