/* check_rspamd.c - what rspamd says of a message, asked over HTTP.
 *
 * The protocol is that of https://rspamd.com/doc/architecture/protocol.html: the message
 * is posted to /checkv2 with what is known of its way in header fields, what the other
 * checks found out stands before it as an Authentication-Results field, and the answer
 * names an action, a score, and header fields to add and remove.  Each action has its
 * policy; a failure of the connection and an odd answer have theirs.
 */
#include "checks.h"

#include "base/arena.h"
#include "base/log.h"
#include "judge.h"
#include "mail/message_edit.h"
#include "message_change.h"
#include "net/addr.h"
#include "net/http_client.h"
#include "programs.h"
#include "rspamd_answer.h"
#include "svc/options.h"
#include "transaction.h"

#include <string.h>

enum { FIXED_HEADERS = 16 };

struct question {
    struct judgement *judgement;
    struct http_client *client;
    uint64_t request;
    enum rc rc; /* of the request */
    int status;
    struct buf
        answer; /* the heap's: it comes in a thread that has no part in the arena */
};

/* In the client's thread. */
static void on_answer(const struct http_client_answer *answer, void *user)
{
    struct question *q = user;

    q->rc = answer->rc;
    q->status = answer->status;
    if (answer->rc == RC_OK && buf_put(&q->answer, answer->body) != RC_OK)
        q->rc = RC_LIMIT;
    judge_release(q->judgement);
}

static void forget(void *what)
{
    struct question *q = what;

    http_client_forget(q->client, q->request);
    buf_fini(&q->answer);
}

struct headers {
    struct arena *arena;
    struct http_client_header *all;
    size_t count;
};

static void put(struct headers *h, const char *name, str_t value)
{
    if (value.n > 0)
        h->all[h->count++] =
            (struct http_client_header){ name, arena_cstr(h->arena, value) };
}

static struct headers describe(struct check *c)
{
    const struct options *o = c->ingress->options;
    const struct judge_client *client = judge_client(c->judgement);
    const struct transaction *t = c->mail;
    struct headers h = { .arena = t->arena };
    char ip[ADDR_TEXT_BYTES];

    h.all = arena_array(t->arena, FIXED_HEADERS + t->recipient_count, sizeof(*h.all));
    put(&h, "Content-Type", S("application/octet-stream"));
    put(&h, "IP", str_of(addr_text(&client->address, ip)));
    put(&h, "Helo", client->hello);
    put(&h, "From", t->sender.n > 0 ? t->sender : S("<>"));
    for (size_t i = 0; i < t->recipient_count; i++)
        put(&h, "Rcpt", t->recipients[i]);
    put(&h, "User", c->account_address);
    put(&h, "Queue-Id", t->queue_id);
    put(&h, "TLS-Version", str_of(client->tls_version));
    put(&h, "TLS-Cipher", str_of(client->tls_cipher));
    put(&h, "MTA-Name", c->ingress->host);
    put(&h, "MTA-Tag", str_of(o->rspamd_tag));
    put(&h, "Flags", str_of(o->rspamd_flags));
    put(&h, "Settings-ID", str_of(o->rspamd_settings_id));
    return h;
}

/* "http://host:11333" or "http://host:11333/". */
static const char *url_of(struct arena *a, const char *base)
{
    str_t s = str_of(base);

    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    return arena_printf(a, "%.*s/checkv2", STR_ARG(s));
}

/* The client copies the request, so ours is the heap's and goes at once. */
static enum rc post(struct check *c, struct question *q, struct http_client_request *r)
{
    const struct transaction *t = c->mail;
    str_t verdict = verdict_print(&t->verdict, t->arena, c->ingress->host);
    struct buf body;
    enum rc rc;

    buf_init(&body, verdict.n + c->message.n);
    buf_put(&body, verdict);
    buf_put(&body, c->message);
    r->body = buf_str(&body);
    rc = http_client_start(q->client, r, on_answer, q, &q->request);
    buf_fini(&body);
    return rc;
}

static enum check_result ask(struct check *c)
{
    const struct options *o = c->ingress->options;
    struct question *q = arena_alloc(c->mail->arena, sizeof(*q));
    struct headers headers = describe(c);
    int64_t left_ms = deadline_left_ms(judge_until(c->judgement));
    enum rc rc;
    struct http_client_request request = {
        .method = "POST",
        .url = url_of(c->mail->arena, o->rspamd_url),
        .headers = headers.all,
        .header_count = headers.count,
        .deadline_ms = o->rspamd_seconds * 1000,
        .answer_max_bytes = RSPAMD_ANSWER_MAX_BYTES,
    };

    if (request.deadline_ms > left_ms)
        request.deadline_ms = left_ms;
    q->judgement = c->judgement;
    q->client = c->ingress->programs->http;
    buf_init(&q->answer, RSPAMD_ANSWER_MAX_BYTES);
    *c->state = q;
    judge_hold(c->judgement, forget, q);
    rc = post(c, q, &request);
    if (rc != RC_OK) {
        q->rc = rc; /* else it is on_answer's to write */
        judge_release(c->judgement);
    }
    return CHECK_WAIT;
}

static void add_fact(struct check *c, enum auth_results_word result, const char *reason)
{
    struct auth_results_fact fact = { .method = "x-rspamd",
                                      .result = result,
                                      .reason = str_of(reason) };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
}

/* A field that cannot stand in a header is left out, and the message goes on. */
static void wish(enum rc rc, str_t name)
{
    if (rc != RC_OK)
        log_warn("smtp.rspamd_header", "name=\"%.*s\" rc=%s", STR_ARG(name), rc_name(rc));
}

static void mark(struct check *c, struct message_edit *e, const struct rspamd_answer *a)
{
    const char *score = arena_printf(c->mail->arena, "%.2f", a->score);

    if (a->action == RSPAMD_NO_ACTION)
        return;
    wish(message_edit_insert(e, 0, S("X-Spam-Score"), str_of(score)), S("X-Spam-Score"));
    if (a->action != RSPAMD_GREYLIST)
        wish(message_edit_insert(e, 0, S("X-Spam-Flag"), S("Yes")), S("X-Spam-Flag"));
}

static enum check_result change(struct check *c, const struct rspamd_answer *a)
{
    struct message_edit *e = message_edit_new(c->mail->arena, c->message);

    CHECK(e != NULL); /* check_author has passed the header */
    for (size_t i = 0; i < a->remove_count; i++) {
        const struct rspamd_answer_field *f = &a->remove[i];

        if (f->place == 0)
            wish(message_edit_remove(e, f->name), f->name);
        else
            wish(message_edit_change(e, (size_t)f->place, f->name, S("")), f->name);
    }
    for (size_t i = 0; i < a->add_count; i++) {
        const struct rspamd_answer_field *f = &a->add[i];
        size_t at = f->place < 0 ? MESSAGE_EDIT_LAST : (size_t)f->place;

        wish(message_edit_insert(e, at, f->name, f->value), f->name);
    }
    mark(c, e, a);
    return message_change_apply(c, e);
}

/* What the action's policy is applied to, and with which words. */
static enum check_result conclude(struct check *c, const struct rspamd_answer *a)
{
    const struct options *o = c->ingress->options;
    const char *text = a->text.n > 0 ? arena_cstr(c->mail->arena, a->text)
                                     : "Message rejected due to a local policy";

    switch (a->action) {
    case RSPAMD_ADD_HEADER:
        return check_conclude(c, &o->rspamd_add_header_action, 550, "5.7.0", text);
    case RSPAMD_REWRITE_SUBJECT:
        return check_conclude(c, &o->rspamd_rewrite_subj_action, 550, "5.7.0", text);
    case RSPAMD_SOFT_REJECT:
        return check_conclude(c, &o->rspamd_soft_reject_action, 450, "4.7.0", text);
    case RSPAMD_REJECT:
        return check_conclude(c, &o->rspamd_reject_action, 550, "5.7.0", text);
    default:
        return CHECK_PASS;
    }
}

static enum check_result fail(struct check *c, const struct policy *p, const char *reason)
{
    add_fact(c, AUTH_RESULTS_TEMPERROR, reason);
    log_warn("smtp.rspamd_failed", "reason=\"%s\"", reason);
    return check_conclude(c, p, 451, "4.7.1",
                          "The message cannot be checked now, try again later");
}

static bool is_bad(enum rspamd_action a)
{
    return a != RSPAMD_NO_ACTION && a != RSPAMD_GREYLIST;
}

enum check_result check_rspamd(struct check *c)
{
    const struct options *o = c->ingress->options;
    const struct question *q = *c->state;
    struct arena *a = c->mail->arena;
    struct rspamd_answer answer;
    const char *what;

    if (q == NULL)
        return ask(c);
    if (q->rc != RC_OK)
        return fail(c, &o->rspamd_io_error_action, rc_name(q->rc));
    if (q->status != 200)
        return fail(c, &o->rspamd_error_resp_action,
                    arena_printf(a, "status %d", q->status));
    if (rspamd_answer_parse(a, buf_str(&q->answer), &answer) != RC_OK)
        return fail(c, &o->rspamd_error_resp_action, "no answer of rspamd's");
    what = arena_printf(a, "%s, score %.2f", rspamd_answer_action_name(answer.action),
                        answer.score);
    add_fact(c, is_bad(answer.action) ? AUTH_RESULTS_FAIL : AUTH_RESULTS_PASS, what);
    log_info("smtp.rspamd", "said=\"%s\"", what);
    if (conclude(c, &answer) != CHECK_PASS)
        return CHECK_REFUSE;
    return change(c, &answer);
}
