/* check_milter.c - what milters say of a message, one after the other.
 *
 * Each hears the whole dialogue about the message at its end (smtp/milter_dialogue.h),
 * what the other checks found out as its first field, Authentication-Results.  What it
 * wants of the header and the body is done; of the envelope it can only narrow what is
 * never traded: the sender of a submission stays, recipients of other servers' mail can
 * only be ours, and over LMTP, where each has a reply of its own, they stay as they are.
 */
#include "checks.h"

#include "base/arena.h"
#include "base/log.h"
#include "judge.h"
#include "mail/domains.h"
#include "mail/message_edit.h"
#include "message_change.h"
#include "milter_talk.h"
#include "net/addr.h"
#include "programs.h"
#include "smtp/smtp_reply.h"
#include "svc/options.h"
#include "transaction.h"

#include <string.h>

enum { MACROS_MAX = 16 };

#define LOCAL_POLICY "Message rejected due to a local policy"

struct asking {
    size_t milter; /* which of them */
    struct milter_talk *talk;
};

/* --- what a milter is told ------------------------------------------------------------
 */

static const struct milter_macro *macros_of(struct check *c, size_t *count)
{
    const struct judge_client *client = judge_client(c->judgement);
    const struct transaction *t = c->mail;
    bool in = c->account_address.n > 0;
    char ip[ADDR_TEXT_BYTES];
    str_t address = arena_str(t->arena, str_of(addr_text(&client->address, ip)));
    struct milter_macro all[] = {
        { 'C', "j", c->ingress->host },
        { 'C', "{daemon_name}", in ? S("submission") : S("smtp") },
        { 'C', "v", S("Postbus") },
        { 'C', "{client_addr}", address },
        { 'H', "{tls_version}", str_of(client->tls_version) },
        { 'H', "{cipher}", str_of(client->tls_cipher) },
        { 'M', "i", t->queue_id },
        { 'M', "{auth_type}", in ? S("PLAIN") : S("") },
        { 'M', "{auth_authen}", c->account_address },
        { 'M', "{mail_addr}", t->sender },
        { 'R', "i", t->queue_id },
        { 'T', "i", t->queue_id },
        { 'E', "i", t->queue_id },
    };

    _Static_assert(ARRAY_LEN(all) <= MACROS_MAX, "more macros than are counted on");
    *count = ARRAY_LEN(all);
    return arena_copy(t->arena, all, sizeof(all));
}

static void ask(struct check *c, struct asking *a)
{
    const struct options *o = c->ingress->options;
    const struct programs *p = c->ingress->programs;
    const struct judge_client *client = judge_client(c->judgement);
    struct transaction *t = c->mail;
    struct milter_message *m = arena_alloc(t->arena, sizeof(*m));
    char ip[ADDR_TEXT_BYTES];

    m->client_address = arena_str(t->arena, str_of(addr_text(&client->address, ip)));
    m->client_name = str_of(arena_printf(t->arena, "[%.*s]", STR_ARG(m->client_address)));
    m->client_family = client->address.family == 4   ? '4'
                       : client->address.family == 6 ? '6'
                                                     : 'U';
    m->client_port = client->address.port;
    m->hello = client->hello;
    m->sender = t->sender;
    m->recipients = t->recipients;
    m->recipient_count = t->recipient_count;
    m->macros = macros_of(c, &m->macro_count);
    m->first = verdict_print(&t->verdict, t->arena, c->ingress->host);
    m->message = c->message;
    m->body_max_bytes = (size_t)o->max_message_size;
    a->talk =
        milter_talk_begin(p->milters, c->judgement, &p->milter_addresses.all[a->milter],
                          m, judge_until(c->judgement), o->milter_seconds * 1000);
}

/* --- what it wants --------------------------------------------------------------------
 */

static enum rc wish_header(struct message_edit *e, const struct milter_wish *w)
{
    switch (w->kind) {
    case MILTER_WISH_ADD:
        return message_edit_insert(e, MESSAGE_EDIT_LAST, w->name, w->value);
    case MILTER_WISH_INSERT:
        return message_edit_insert(e, w->index, w->name, w->value);
    case MILTER_WISH_CHANGE:
        return message_edit_change(e, w->index, w->name, w->value);
    default:
        return RC_OK;
    }
}

static enum rc change_message(struct check *c, const struct milter_dialogue *d,
                              struct message_edit *e)
{
    enum rc rc = RC_OK;

    message_edit_hide(e, S("Authentication-Results")); /* it was told of it */
    for (const struct milter_wish *w = d->wishes; w != NULL && rc == RC_OK; w = w->next)
        rc = wish_header(e, w);
    if (rc == RC_OK && d->has_body)
        rc = message_edit_body(e, buf_str(&d->body),
                               (size_t)c->ingress->options->max_message_size);
    return rc;
}

static bool may_be_added(const struct check *c, str_t address)
{
    struct address a;

    return address_parse(address, ADDRESS_UTF8 | ADDRESS_FULL, &a) == RC_OK &&
           c->mail->recipient_count < (size_t)c->ingress->options->max_recipients &&
           (c->direction == CHECKS_OUTGOING ||
            is_ours(c->ingress->route.domains, a.domain));
}

static bool add_recipient(struct check *c, str_t address)
{
    struct transaction *t = c->mail;

    for (size_t i = 0; i < t->recipient_count; i++)
        if (str_eq(t->recipients[i], address))
            return true;
    if (t->answers_each || !may_be_added(c, address))
        return false;
    transaction_add_recipient(t, address);
    t->clear_text = false; /* nobody has asked whether it takes unencrypted mail */
    return true;
}

static bool drop_recipient(struct check *c, str_t address)
{
    struct transaction *t = c->mail;

    if (t->answers_each)
        return false;
    for (size_t i = 0; i < t->recipient_count; i++)
        if (str_eq_nocase(t->recipients[i], address))
            transaction_drop_recipient(t, i--);
    return true;
}

/* Bounces of what came from elsewhere may go to another place elsewhere, or nowhere. */
static bool set_sender(struct check *c, str_t address)
{
    struct address a;

    if (c->direction == CHECKS_OUTGOING)
        return false;
    if (address.n > 0 &&
        (address_parse(address, ADDRESS_UTF8 | ADDRESS_FULL, &a) != RC_OK ||
         is_ours(c->ingress->route.domains, a.domain)))
        return false;
    c->mail->return_path = arena_str(c->mail->arena, address);
    c->mail->return_path_is_set = true;
    return true;
}

static void change_envelope(struct check *c, const struct milter_wish *w)
{
    static const struct policy quarantine = { .action = POLICY_QUARANTINE };
    bool done = true;

    if (w->kind == MILTER_WISH_RECIPIENT)
        done = add_recipient(c, w->value);
    else if (w->kind == MILTER_WISH_NO_RECIPIENT)
        done = drop_recipient(c, w->value);
    else if (w->kind == MILTER_WISH_SENDER)
        done = set_sender(c, w->value);
    else if (w->kind == MILTER_WISH_QUARANTINE)
        (void)check_conclude(c, &quarantine, 550, "5.7.1", LOCAL_POLICY);
    if (!done)
        log_warn("smtp.milter_refused", "wish=%s",
                 w->kind == MILTER_WISH_SENDER      ? "sender"
                 : w->kind == MILTER_WISH_RECIPIENT ? "recipient"
                                                    : "no_recipient");
}

/* --- what follows ---------------------------------------------------------------------
 */

static void add_fact(struct check *c, enum auth_results_word result, const char *reason)
{
    struct auth_results_fact fact = { .method = "x-milter",
                                      .result = result,
                                      .reason = str_of(reason) };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
}

static enum check_result fail(struct check *c, const char *milter, const char *reason)
{
    add_fact(c, AUTH_RESULTS_TEMPERROR, reason);
    log_warn("smtp.milter_failed", "milter=%s reason=\"%s\"", milter, reason);
    return check_conclude(c, &c->ingress->options->milter_temporary, 451, "4.7.1",
                          "The message cannot be checked now, try again later");
}

/* A code of the policy's stands for a refusal that is final, so not for another. */
static enum check_result refuse(struct check *c, int code, const char *enhanced,
                                const char *text)
{
    struct policy p = c->ingress->options->milter_reject_action;

    add_fact(c, AUTH_RESULTS_FAIL, text);
    if (code < 500)
        p = (struct policy){ .action = p.action };
    c->is_last_word = p.action == POLICY_REJECT && code == 421;
    return check_conclude(c, &p, code, enhanced, text);
}

static enum check_result discard(struct check *c)
{
    add_fact(c, AUTH_RESULTS_FAIL, "discard");
    return check_conclude(c, &c->ingress->options->milter_discard_action, 550, "5.7.1",
                          LOCAL_POLICY);
}

static bool is_about_recipients(const struct milter_wish *w)
{
    return w->kind == MILTER_WISH_RECIPIENT || w->kind == MILTER_WISH_NO_RECIPIENT;
}

static enum check_result change(struct check *c, const struct milter_dialogue *d,
                                const char *milter)
{
    struct transaction_recipients kept = transaction_keep_recipients(c->mail);
    struct message_edit *e;
    bool others = false;

    add_fact(c, AUTH_RESULTS_PASS, "");
    if (d->wishes == NULL && !d->has_body)
        return CHECK_PASS;
    e = message_edit_new(c->mail->arena, c->message);
    CHECK(e != NULL); /* check_author has passed the header */
    if (change_message(c, d, e) != RC_OK)
        return fail(c, milter, "what it wants cannot stand in a message");
    for (const struct milter_wish *w = d->wishes; w != NULL; w = w->next) {
        others |= is_about_recipients(w);
        change_envelope(c, w);
    }
    if (c->mail->recipient_count == 0) {
        /* Should the policy let it on, then not to nobody. */
        transaction_put_back_recipients(c->mail, &kept);
        return discard(c);
    }
    if (others)
        message_change_pass_again(c);
    return message_change_apply(c, e);
}

static enum check_result conclude(struct check *c, const struct milter_dialogue *d,
                                  const char *milter)
{
    const char *text = d->text.n > 0 ? d->text.p : LOCAL_POLICY;

    switch (d->verdict) {
    case MILTER_PASSES:
        return change(c, d, milter);
    case MILTER_REJECTS:
        return refuse(c, 550, "5.7.1", LOCAL_POLICY);
    case MILTER_FAILS:
        return refuse(c, 451, "4.7.1", "Try again later");
    case MILTER_DISCARDS:
        return discard(c);
    case MILTER_REPLIES:
        return refuse(c, d->code,
                      d->enhanced != NULL ? d->enhanced
                      : d->code < 500     ? "4.7.1"
                                          : "5.7.1",
                      arena_cstr(c->mail->arena, str_of(text)));
    }
    return CHECK_REFUSE;
}

enum check_result check_milter(struct check *c)
{
    const struct milters *milters = &c->ingress->programs->milter_addresses;
    const struct milter_dialogue *said;
    struct asking *a = *c->state;
    const char *name;
    enum check_result result;
    enum rc rc;

    if (a == NULL) {
        *c->state = a = arena_alloc(c->mail->arena, sizeof(*a));
        ask(c, a);
        return CHECK_WAIT;
    }
    name = milters->all[a->milter].text;
    rc = milter_talk_result(a->talk, &said);
    log_info("smtp.milter", "milter=%s rc=%s verdict=%d", name, rc_name(rc),
             rc == RC_OK ? (int)said->verdict : -1);
    result = rc == RC_OK ? conclude(c, said, name) : fail(c, name, rc_name(rc));
    if (result != CHECK_PASS || ++a->milter == milters->count)
        return result;
    ask(c, a);
    return CHECK_WAIT;
}
