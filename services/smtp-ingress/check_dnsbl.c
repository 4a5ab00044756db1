/* check_dnsbl.c - lists in the DNS say what is known of who sends.
 *
 * The scores of all lists that name the client are added up, so that a list of trusted
 * hosts can outweigh one of others.  A private address is on no list,
 * nor is what comes by LMTP but for its sender's domain.
 */
#include "checks.h"

#include "base/arena.h"
#include "base/log.h"
#include "judge.h"
#include "mail/dnsbl.h"
#include "net/cidr.h"
#include "net/dns_name.h"
#include "svc/options.h"
#include "transaction.h"

/* What is asked about; a literal names no domain. */
static struct dnsbl_client client_of(struct check *c)
{
    const struct judge_client *client = judge_client(c->judgement);
    struct dnsbl_client out = { .ip = NULL };
    struct address sender;

    if (!client->passes_on && client->address.family != 0 &&
        !cidr_is_private(&client->address)) {
        out.ip = client->address.ip;
        out.ip_bytes = client->address.family == 4 ? 4 : 16;
    }
    if (!client->passes_on && !str_starts(client->hello, S("[")))
        out.hello = client->hello;
    if (address_parse(c->mail->sender, ADDRESS_UTF8 | ADDRESS_FULL, &sender) == RC_OK &&
        sender.domain.p[0] != '[' &&
        dns_name_to_ascii(c->mail->arena, sender.domain, &out.domain) != RC_OK)
        out.domain = S("");
    return out;
}

static void add_fact(struct check *c, enum auth_results_word result,
                     const struct dnsbl_outcome *o)
{
    struct transaction *t = c->mail;
    struct auth_results_fact fact = {
        .method = "x-dnsbl",
        .result = result,
        .reason =
            str_of(arena_printf(t->arena, "score %d of %zu lists", o->score, o->lists)),
        .properties = { { "policy.zone", o->zone } },
    };

    verdict_add(&t->verdict, t->arena, &fact);
}

/* Both thresholds are for what the policy allows at most; 0: never. */
static enum check_result judge_score(struct check *c, const struct dnsbl_outcome *o)
{
    const struct options *opt = c->ingress->options;
    int64_t reject = opt->dnsbl_reject_threshold,
            quarantine = opt->dnsbl_quarantine_threshold;
    struct policy p = opt->dnsbl;
    bool too_bad = reject > 0 && o->score >= reject,
         bad = quarantine > 0 && o->score >= quarantine;

    add_fact(c, too_bad || bad ? AUTH_RESULTS_FAIL : AUTH_RESULTS_PASS, o);
    if (!too_bad && !bad)
        return CHECK_PASS;
    if (!too_bad && p.action == POLICY_REJECT)
        p.action = POLICY_QUARANTINE;
    return check_conclude(
        c, &p, 554, "5.7.0",
        arena_printf(c->mail->arena, "Client identity is listed in the used DNSBL: %.*s",
                     STR_ARG(o->zone)));
}

enum check_result check_dnsbl(struct check *c)
{
    const struct options *opt = c->ingress->options;
    struct dnsbl_client client = client_of(c);
    struct dnsbl_outcome o = dnsbl_check(c->mail->arena, judge_table(c->judgement),
                                         &opt->dnsbl_lists, &client);

    if (o.wait) {
        judge_ask_table(c->judgement);
        return CHECK_WAIT;
    }
    if (!o.failed)
        return judge_score(c, &o);
    if (opt->dnsbl.action == POLICY_IGNORE ||
        opt->dnsbl_temporary.action == POLICY_IGNORE) {
        log_info("smtp.objected", "check=dnsbl policy=ignore reason=temporary");
        return judge_score(c, &o);
    }
    add_fact(c, AUTH_RESULTS_TEMPERROR, &o);
    return check_conclude(c, &opt->dnsbl_temporary, 451, "4.7.0",
                          "A DNSBL does not answer now, try again later");
}
