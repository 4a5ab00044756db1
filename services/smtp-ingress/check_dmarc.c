/* check_dmarc.c - what the author's domain wants of mail that it has not sent.
 *
 * SPF and DKIM have added what they found to the verdict; here it is compared with the
 * domain in From.  What the domain publishes is asked meanwhile, and followed as far as
 * our own policy goes.  What the DNS cannot say is refused with 451.  Without SPF,
 * which is so of mail that a server of the operator's passes on, nothing is compared.
 * RFC 7489 6.6, 10.3.
 */
#include "check_dmarc.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/metric.h"
#include "checks.h"
#include "judge.h"
#include "mail/dmarc.h"
#include "net/dns_name.h"
#include "svc/options.h"
#include "transaction.h"

#include <string.h>

#define FOUND(word)                                                                      \
    {                                                                                    \
        .kind = METRIC_COUNTER, .name = "postbus_smtp_dmarc",                            \
        .labels = "result=\"" word "\"",                                                 \
        .help = "Messages by whether their author's domain has sent them, by DMARC."     \
    }

static struct metric found[DMARC_RESULTS] = {
    [DMARC_NONE] = FOUND("none"),           [DMARC_PASS] = FOUND("pass"),
    [DMARC_FAIL] = FOUND("fail"),           [DMARC_TEMPERROR] = FOUND("temperror"),
    [DMARC_PERMERROR] = FOUND("permerror"),
};

static const enum auth_results_word words[DMARC_RESULTS] = {
    [DMARC_NONE] = AUTH_RESULTS_NONE,
    [DMARC_PASS] = AUTH_RESULTS_PASS,
    [DMARC_FAIL] = AUTH_RESULTS_FAIL,
    [DMARC_TEMPERROR] = AUTH_RESULTS_TEMPERROR,
    [DMARC_PERMERROR] = AUTH_RESULTS_PERMERROR,
};

static struct dmarc_identifier identifier(const struct auth_results_fact *fact,
                                          const char *property)
{
    return (struct dmarc_identifier){
        .domain = verdict_property(fact, property),
        .passed = fact->result == AUTH_RESULTS_PASS,
        .temporary = fact->result == AUTH_RESULTS_TEMPERROR,
    };
}

/* What SPF and DKIM have found so far. */
static struct dmarc_facts gather(struct check *c)
{
    const struct verdict *v = &c->mail->verdict;
    struct arena *a = c->mail->arena;
    struct dmarc_identifier *signatures = arena_array(a, v->count, sizeof(*signatures));
    struct dmarc_facts facts = { .signatures = signatures,
                                 .random = (unsigned)(crypto_random_u64() % 100) };

    if (dns_name_to_ascii(a, c->judged.author.domain, &facts.author) != RC_OK)
        facts.author = S(""); /* no name of the DNS, so without a policy */
    for (size_t i = 0; i < v->count; i++) {
        const struct auth_results_fact *fact = &v->facts[i];

        if (strcmp(fact->method, "dkim") == 0)
            signatures[facts.signature_count++] = identifier(fact, "header.d");
        if (strcmp(fact->method, "spf") != 0)
            continue;
        facts.spf = identifier(fact, "smtp.mailfrom");
        if (facts.spf.domain.n == 0)
            facts.spf = identifier(fact, "smtp.helo");
    }
    return facts;
}

static void note(struct check *c, str_t author, const struct dmarc_outcome *o)
{
    const char *policy = o->result == DMARC_FAIL ? dmarc_policy_name(o->policy) : NULL;
    struct auth_results_fact fact = {
        .method = "dmarc",
        .result = words[o->result],
        .reason = str_of(o->reason),
        .properties = { { "header.from", author }, { "policy.dmarc", str_of(policy) } },
    };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
    metric_add(&found[o->result], 1);
}

static enum check_result conclude(struct check *c, const struct dmarc_outcome *o)
{
    const struct options *options = c->ingress->options;
    str_t domain = c->judged.author.domain;
    struct policy p = options->dmarc;

    if (o->result == DMARC_TEMPERROR)
        return check_conclude_later(
            c, p.action, &options->dmarc_temporary, 451, "4.7.1",
            arena_printf(c->mail->arena,
                         "Whether %.*s has sent this cannot be known by DMARC now, try "
                         "again later",
                         STR_ARG(domain)));
    if (o->policy == DMARC_POLICY_NONE)
        return CHECK_PASS;
    if (o->policy == DMARC_POLICY_QUARANTINE && p.action == POLICY_REJECT)
        p.action = POLICY_QUARANTINE;
    return check_conclude(c, &p, 550, "5.7.1",
                          arena_printf(c->mail->arena,
                                       "%.*s wants mail that it has not sent refused "
                                       "(DMARC)",
                                       STR_ARG(domain)));
}

enum check_result check_dmarc(struct check *c)
{
    bool is_whole =
        checks_is_over(c, CHECKS_ROW_spf) && checks_is_over(c, CHECKS_ROW_dkim);
    struct dmarc_facts facts;
    struct dmarc *d;

    if (judge_client(c->judgement)->passes_on)
        return CHECK_PASS;
    facts = gather(c);
    d = dmarc_begin(c->mail->arena, judge_table(c->judgement), &facts);

    /* Begun anew each time: the table remembers. */
    if (dmarc_step(d) == DMARC_WAIT || !is_whole) {
        judge_ask_table(c->judgement);
        return CHECK_WAIT;
    }
    note(c, facts.author, dmarc_outcome(d));
    return conclude(c, dmarc_outcome(d));
}

void check_dmarc_register_metrics(void)
{
    for (size_t i = 0; i < DMARC_RESULTS; i++)
        metric_register(&found[i]);
}
