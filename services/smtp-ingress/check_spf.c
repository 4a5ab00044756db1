/* check_spf.c - may this host send mail of that domain?
 *
 * The domain is that of MAIL FROM, or what a client with the null sender calls itself
 * (RFC 7208 2.4).  Each result has its policy.  Where DMARC is to decide and the author's
 * domain wants something of it, SPF's result is but a part of that (spf_enforce_early
 * asks for both): who forwards mail breaks SPF and leaves DKIM whole.  Of mail that a
 * server of the operator's passes on it is not known which host has sent it.  The codes
 * are RFC 7372's.
 */
#include "check_spf.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/metric.h"
#include "checks.h"
#include "judge.h"
#include "mail/dmarc.h"
#include "mail/spf.h"
#include "net/dns_name.h"
#include "svc/options.h"
#include "transaction.h"

#define FOUND(word)                                                                      \
    {                                                                                    \
        .kind = METRIC_COUNTER, .name = "postbus_smtp_spf",                              \
        .labels = "result=\"" word "\"",                                                 \
        .help = "Messages by what SPF says of the host that sent them."                  \
    }

static struct metric found[SPF_RESULTS] = {
    [SPF_NONE] = FOUND("none"),           [SPF_NEUTRAL] = FOUND("neutral"),
    [SPF_PASS] = FOUND("pass"),           [SPF_FAIL] = FOUND("fail"),
    [SPF_SOFTFAIL] = FOUND("softfail"),   [SPF_TEMPERROR] = FOUND("temperror"),
    [SPF_PERMERROR] = FOUND("permerror"),
};

static const enum auth_results_word words[SPF_RESULTS] = {
    [SPF_NONE] = AUTH_RESULTS_NONE,           [SPF_NEUTRAL] = AUTH_RESULTS_NEUTRAL,
    [SPF_PASS] = AUTH_RESULTS_PASS,           [SPF_FAIL] = AUTH_RESULTS_FAIL,
    [SPF_SOFTFAIL] = AUTH_RESULTS_SOFTFAIL,   [SPF_TEMPERROR] = AUTH_RESULTS_TEMPERROR,
    [SPF_PERMERROR] = AUTH_RESULTS_PERMERROR,
};

/* What a refusal says, behind the domain. */
static const struct {
    int code;
    const char *enhanced, *text;
} replies[SPF_RESULTS] = {
    [SPF_NONE] = { 550, "5.7.23", "does not say by SPF who may send its mail" },
    [SPF_NEUTRAL] = { 550, "5.7.23", "says by SPF nothing about this host" },
    [SPF_FAIL] = { 550, "5.7.23", "says by SPF that this host may not send its mail" },
    [SPF_SOFTFAIL] = { 550, "5.7.23",
                       "says by SPF that this host should not send its mail" },
    [SPF_TEMPERROR] = { 451, "4.7.24",
                        "has an SPF record that cannot be looked up now, try again "
                        "later" },
    [SPF_PERMERROR] = { 550, "5.7.24", "has an SPF record that cannot be read" },
};

/* NULL: nothing follows from a pass. */
static const struct policy *policy_of(const struct options *o, enum spf_result result)
{
    const struct policy *const policies[SPF_RESULTS] = {
        [SPF_NONE] = &o->spf_none_action,    [SPF_NEUTRAL] = &o->spf_neutral_action,
        [SPF_FAIL] = &o->spf_fail_action,    [SPF_SOFTFAIL] = &o->spf_softfail_action,
        [SPF_TEMPERROR] = &o->spf_temporary, [SPF_PERMERROR] = &o->spf_permerr_action,
    };

    return policies[result];
}

/* What follows at most.  spf_temporary goes with the others. */
static enum policy_action worst_action(const struct options *o)
{
    enum policy_action worst = POLICY_OFF;

    for (enum spf_result r = 0; r < SPF_RESULTS; r++) {
        const struct policy *p = policy_of(o, r);

        if (p != NULL && r != SPF_TEMPERROR && p->action > worst)
            worst = p->action;
    }
    return worst;
}

bool check_spf_is_wanted(const struct options *o)
{
    return worst_action(o) != POLICY_OFF || o->dmarc.action != POLICY_OFF;
}

/* With its domain as the DNS has it, where there is such a form. */
static str_t ascii_sender(struct arena *a, str_t sender)
{
    size_t at = sender.n;
    str_t domain;

    while (at > 0 && sender.p[at - 1] != '@')
        at--;
    if (dns_name_to_ascii(a, str_skip(sender, at), &domain) != RC_OK)
        return sender;
    return str_of(
        arena_printf(a, "%.*s%.*s", STR_ARG(str_head(sender, at)), STR_ARG(domain)));
}

static struct spf *begin(struct check *c)
{
    const struct judge_client *client = judge_client(c->judgement);
    struct arena *a = c->mail->arena;
    struct spf_facts facts = { .ip = client->address.ip,
                               .ip_bytes = client->address.family == 4 ? 4 : 16,
                               .sender = ascii_sender(a, c->mail->sender),
                               .helo = client->hello,
                               .receiver = c->ingress->host,
                               .now_unix = clock_unix() };

    return spf_begin(a, judge_table(c->judgement), &facts);
}

static void note(struct check *c, const struct spf_outcome *o)
{
    struct auth_results_fact fact = {
        .method = "spf",
        .result = words[o->result],
        .reason = str_of(o->reason),
        .properties = { { o->is_helo ? "smtp.helo" : "smtp.mailfrom", o->domain } },
    };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
    metric_add(&found[o->result], 1);
}

/* Does the author's domain say by DMARC what shall follow?  False: wait. */
static bool is_left_to_dmarc(struct check *c, bool *out)
{
    struct arena *a = c->mail->arena;
    struct dmarc_facts nothing = { .author = c->judged.author.domain };
    const struct options *o = c->ingress->options;
    const struct dmarc_outcome *outcome;
    struct dmarc *d;

    *out = false;
    if (o->spf_enforce_early || o->dmarc.action <= POLICY_IGNORE ||
        dns_name_to_ascii(a, nothing.author, &nothing.author) != RC_OK)
        return true;
    d = dmarc_begin(a, judge_table(c->judgement), &nothing);
    if (dmarc_step(d) == DMARC_WAIT)
        return false;
    outcome = dmarc_outcome(d);
    *out = outcome->result == DMARC_TEMPERROR || outcome->published != DMARC_POLICY_NONE;
    return true;
}

static enum check_result conclude(struct check *c, const struct spf_outcome *o,
                                  const struct policy *p)
{
    enum policy_action worst = worst_action(c->ingress->options);
    const char *text = arena_printf(c->mail->arena, "%.*s %s", STR_ARG(o->domain),
                                    replies[o->result].text);

    if (o->result == SPF_TEMPERROR)
        return check_conclude_later(c, worst, p, replies[o->result].code,
                                    replies[o->result].enhanced, text);
    /* These are the domain's words, and the reply says so (RFC 7208 6.2). */
    if (o->explanation.n > 0)
        text = arena_printf(c->mail->arena, "%s; it explains: %.*s", text,
                            STR_ARG(o->explanation));
    return check_conclude(c, p, replies[o->result].code, replies[o->result].enhanced,
                          text);
}

static enum check_result wait(struct check *c)
{
    judge_ask_table(c->judgement);
    return CHECK_WAIT;
}

enum check_result check_spf(struct check *c)
{
    const struct spf_outcome *o;
    const struct policy *p;
    bool is_left = false;

    if (judge_client(c->judgement)->passes_on)
        return CHECK_PASS;
    if (*c->state == NULL)
        *c->state = begin(c);
    if (spf_step(*c->state) == SPF_WAIT)
        return wait(c);
    o = spf_outcome(*c->state);
    p = policy_of(c->ingress->options, o->result);
    if (p != NULL && p->action > POLICY_IGNORE && !is_left_to_dmarc(c, &is_left))
        return wait(c);
    note(c, o);
    if (p == NULL || p->action == POLICY_OFF ||
        worst_action(c->ingress->options) == POLICY_OFF || is_left)
        return CHECK_PASS;
    return conclude(c, o, p);
}

void check_spf_register_metrics(void)
{
    for (size_t i = 0; i < SPF_RESULTS; i++)
        metric_register(&found[i]);
}
