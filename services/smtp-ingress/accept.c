/* accept.c - a whole message becomes a durable one, or a refusal.
 *
 * 250 is written after the commit that holds the body and every recipient.  Dying before
 * that leaves nothing; dying after it leaves a message whose sender may send it again,
 * which SMTP cannot avoid.  The hint comes after the commit and may be lost.
 */
#include "accept.h"

#include "account/replace_sender.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bus/bus.h"
#include "checks.h"
#include "commit.h"
#include "ingress.h"
#include "mail/date.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/scrub.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <inttypes.h>
#include <string.h>

struct accept {
    struct commit *commit;
    struct bus *bus;
};

/* A message on its way through the commit. */
struct pending {
    struct commit_item item;
    struct session *session;
    struct buf *out;
};

static struct metric accepted[] = {
    { .kind = METRIC_COUNTER,
      .name = "postbus_smtp_accepted",
      .labels = "direction=\"outgoing\"",
      .help = "Messages that were made durable." },
    { .kind = METRIC_COUNTER,
      .name = "postbus_smtp_accepted",
      .labels = "direction=\"incoming\"",
      .help = "Messages that were made durable." },
};
static struct metric accepted_bytes = { .kind = METRIC_COUNTER,
                                        .name = "postbus_smtp_accepted_bytes",
                                        .labels = "",
                                        .help = "Size of the accepted messages." };
static struct metric accept_failures = {
    .kind = METRIC_COUNTER,
    .name = "postbus_smtp_accept_failures",
    .labels = "",
    .help = "Messages that passed all checks and could not be stored."
};

static void send_hint(void *user, int64_t body_id, uint32_t count)
{
    const struct accept *a = user;
    struct msg m = { .kind = MSG_mail_queued,
                     .mail_queued = { .queue = body_id, .count = count } };

    if (a->bus != NULL)
        bus_send_work(a->bus, &m);
}

/* Eight bytes at a time: every message is looked through. */
static bool has_eight_bit(str_t s)
{
    uint64_t all = 0, word;
    size_t i = 0;

    for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
        memcpy(&word, s.p + i, sizeof(word));
        all |= word;
    }
    for (; i < s.n; i++)
        all |= (unsigned char)s.p[i];
    return (all & UINT64_C(0x8080808080808080)) != 0;
}

/* RFC 8689 4: the author would rather have it read than lost.  Twice is once too often.
 */
static bool has_tls_optional(str_t header)
{
    struct header_field field;

    return header_find(header, S("TLS-Required"), &field) &&
           str_eq_nocase(str_trim(field.value), S("No")) &&
           header_count(header, S("TLS-Required")) == 1;
}

static str_t make_envelope(const struct session *s, const struct scrub_result *scrubbed,
                           const str_t *to, size_t n, bool leaves)
{
    struct transaction *t = s->mail;
    struct envelope e = { .submission = s->port->kind == PORT_SUBMISSION,
                          .account = s->account,
                          .id = t->queue_id };

    if (e.id.n == 0)
        e.id = t->queue_id = crypto_random_id(t->arena);
    e.quarantine = t->quarantine;
    e.eight_bit = has_eight_bit(scrubbed->header) || has_eight_bit(scrubbed->body);
    /* Letters beyond ASCII in a header whose sender did not ask for SMTPUTF8 go on as
     * they are, as with other servers: every host takes them, and to return the message
     * for want of the extension would help nobody. */
    e.smtputf8 =
        (t->utf8 && has_eight_bit(scrubbed->header)) || has_eight_bit(t->return_path);
    for (size_t i = 0; i < n && !e.smtputf8; i++)
        e.smtputf8 = has_eight_bit(to[i]);
    if (leaves && s->ingress->options->dkim_sign)
        envelope_hash_body(&e,
                           scrubbed->body); /* so that signing reads the header only */
    e.requiretls = t->requiretls;
    e.tls_optional = leaves && !t->requiretls && has_tls_optional(scrubbed->header);
    e.ret = t->ret;
    e.envid = t->envid;
    if (t->envelope_bytes > 0 || t->target_count > 0)
        transaction_describe(t, &e);
    return envelope_format(t->arena, &e);
}

/* In the thread that committed: the reply and the log line of one message. */
static void answer(struct commit_item *item)
{
    struct pending *p = (struct pending *)item;
    struct session *s = p->session;
    const struct transaction *t = s->mail;

    /* The thread commits for others as well. */
    log_context("session=%" PRIx64, s->serial);
    if (item->message.rc != RC_OK) {
        metric_add(&accept_failures, 1);
        log_warn("smtp.not_stored", "rc=%s sqlstate=%s unknown=%d",
                 rc_name(item->message.rc), item->message.sqlstate,
                 item->message.unknown);
        /* Whether it is stored nobody knows: the one honest answer is none. */
        if (item->message.unknown) {
            session_job_done(s, CMD_CLOSE);
            return;
        }
        /* What the store refuses for its content, it refuses the next time, too. */
        if (rc_info(item->message.rc)->retryable)
            smtp_reply_rc(p->out, RC_RETRY);
        else
            smtp_reply_put(p->out, 554, "5.6.0", S("Message cannot be stored"));
        session_job_done(s, CMD_FAIL);
        return;
    }
    metric_add(&accepted[s->port->kind != PORT_SUBMISSION], 1);
    metric_add(&accepted_bytes, (int64_t)item->bytes);
    log_info("smtp.accepted", "queue=%.*s size=%zu rcpt_count=%zu verdict=\"%.*s\"",
             STR_ARG(t->queue_id), item->bytes, t->recipient_count,
             STR_ARG(verdict_words(&t->verdict, t->arena)));
    smtp_reply_printf(p->out, 250, "2.0.0", "Ok: queued as %.*s", STR_ARG(t->queue_id));
    session_job_done(s, CMD_DONE);
}

struct accept *accept_new(struct bus *bus)
{
    struct accept *a = mem_alloc(sizeof(*a));

    a->bus = bus;
    a->commit = commit_new(send_hint, a);
    return a;
}

void accept_free(struct accept **a)
{
    if (*a == NULL)
        return;
    commit_free(&(*a)->commit);
    mem_free(*a);
    *a = NULL;
}

/* RFC 6409 8.1 and 8.2: a message system may complete what its accounts submit. */
static void add_missing(const struct session *s, struct scrub_wishes *w)
{
    struct arena *a = s->mail->arena;

    w->date = date_format(clock_unix(), arena_alloc(a, DATE_TEXT_BYTES));
    w->message_id =
        str_of(arena_printf(a, "<%016" PRIx64 "%016" PRIx64 "@%.*s>", crypto_random_u64(),
                            crypto_random_u64(), STR_ARG(s->ingress->host)));
}

enum cmd_result accept_message(struct session *s, struct worker *w, struct buf *out)
{
    struct transaction *t = s->mail;
    struct pending *p = arena_alloc(t->arena, sizeof(*p));
    enum scrub_kind kind = s->port->kind == PORT_SUBMISSION ? SCRUB_SUBMISSION
                           : t->is_forwarded                ? SCRUB_FORWARDED
                                                            : SCRUB_INCOMING;
    struct check *c = checks_of_message(s, out);
    const struct options *o = s->ingress->options;
    /* What goes on to another host keeps all that its signatures cover. */
    struct scrub_wishes wishes = { .only = t->is_forwarded ? NULL : &o->header_fields };
    struct scrub_result scrubbed;
    str_t *recipients;
    size_t count;

    if (c == NULL)
        return CMD_FAIL;
    c->db = w->context;
    if (checks_run(c, CHECKS_MESSAGE, CHECKS_FIRST | CHECKS_WORKER) != CHECK_PASS)
        return c->is_last_word ? CMD_CLOSE : CMD_FAIL;
    if (kind != SCRUB_SUBMISSION && o->authentication_results)
        wishes.trace = verdict_print(&t->verdict, t->arena, s->ingress->host);
    if (kind == SCRUB_SUBMISSION && o->add_missing_fields)
        add_missing(s, &wishes);
    /* Not sooner: whoever judges is asked about the sender that was given.  Reports to
     * such an address are the operator's wish, whoever the author is. */
    if (s->ingress->replace_sender != NULL && kind != SCRUB_SUBMISSION &&
        !t->return_path_is_set)
        t->return_path = replace_sender_with(s->ingress->replace_sender, t->arena,
                                             t->sender, t->return_path);
    if (scrub_compose(t->arena, kind, &wishes, t->return_path, c->message, &scrubbed) !=
        RC_OK) {
        smtp_reply_put(out, 500, NULL, S("Failed to parse message"));
        return CMD_FAIL;
    }
    recipients = t->recipients;
    count = t->recipient_count;
    if (t->refused_count > 0 || t->target_count > 0)
        recipients = transaction_accepted(t, &count);
    p->session = s;
    p->out = out;
    p->item.done = answer;
    p->item.message =
        (struct store_accept){ .head = scrubbed.header,
                               .body = scrubbed.body,
                               .sender = t->return_path,
                               .recipients = recipients,
                               .recipient_count = count,
                               .envelope = make_envelope(s, &scrubbed, recipients, count,
                                                         c->leaves) };
    commit_add(s->ingress->accept->commit, w->context, &p->item);
    return CMD_LATER;
}

void accept_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
        metric_register(&accepted[i]);
    metric_register(&accepted_bytes);
    metric_register(&accept_failures);
}
