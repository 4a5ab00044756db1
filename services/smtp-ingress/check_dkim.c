/* check_dkim.c - mail of a domain has a valid signature of that domain.
 *
 * Chatmail's rule (mail/dkim_rule.h; chatmail spec 3.3), for bounces, too, whoever their
 * envelope names; and by option the softer ones of maddy (spec 1.E), to which a signature
 * of anybody will do.  Asked for are only keys that decide: of signatures that nothing
 * else speaks against, by the domain in From, or by anybody where another rule wants
 * them.  A DNS that does not answer is a reason to try again, never to refuse.  An
 * address cannot have a key in the DNS, nor can a domain that begins with `_`: mail of
 * the first is free of all this, and of the second where our own domain is such a one.
 * RFC 6376 6; RFC 8616 for letters beyond ASCII.
 */
#include "check_dkim.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/public_suffix.h"
#include "checks.h"
#include "dkim_keys.h"
#include "dkim_watch.h"
#include "judge.h"
#include "mail/dkim_header.h"
#include "mail/dkim_rule.h"
#include "mail/dkim_verify.h"
#include "mail/dns_table.h"
#include "mail/domains.h"
#include "net/dns.h"
#include "net/dns_name.h"
#include "svc/options.h"
#include "transaction.h"

/* A name should have one record; others there are wildcards, or left from a change. */
enum { RECORDS_LOOKED_AT = 3 };

struct asked {
    str_t from;         /* the domain, as the DNS has it */
    bool others_matter; /* signatures of other domains */
    str_t organization; /* whose signatures DMARC goes by; empty: it is off */
    enum dkim_outcome outcomes[DKIM_SIGNATURE_MAX];
    struct dns_question *questions[DKIM_SIGNATURE_MAX]; /* NULL: the outcome is known */
};

#define JUDGED(word)                                                                     \
    {                                                                                    \
        .kind = METRIC_COUNTER, .name = "postbus_smtp_dkim",                             \
        .labels = "result=\"" word "\"",                                                 \
        .help = "Messages by what their DKIM signatures are worth."                      \
    }

static struct metric judged[AUTH_RESULTS_WORDS] = {
    [AUTH_RESULTS_NONE] = JUDGED("none"),
    [AUTH_RESULTS_PASS] = JUDGED("pass"),
    [AUTH_RESULTS_FAIL] = JUDGED("fail"),
    [AUTH_RESULTS_NEUTRAL] = JUDGED("neutral"),
    [AUTH_RESULTS_POLICY] = JUDGED("policy"),
    [AUTH_RESULTS_TEMPERROR] = JUDGED("temperror"),
    [AUTH_RESULTS_PERMERROR] = JUDGED("permerror"),
};

static const enum auth_results_word results[DKIM_RESULT_COUNT] = {
    [DKIM_RESULT_PASS] = AUTH_RESULTS_PASS,
    [DKIM_RESULT_FAIL] = AUTH_RESULTS_FAIL,
    [DKIM_RESULT_POLICY] = AUTH_RESULTS_POLICY,
    [DKIM_RESULT_NEUTRAL] = AUTH_RESULTS_NEUTRAL,
    [DKIM_RESULT_TEMPERROR] = AUTH_RESULTS_TEMPERROR,
    [DKIM_RESULT_PERMERROR] = AUTH_RESULTS_PERMERROR,
};

/* Two test servers, whose domains nobody knows, still talk. */
static bool is_exempt(str_t from, str_t own)
{
    if (str_starts(from, S("[")))
        return true;
    return str_starts(from, S("_")) &&
           (str_starts(own, S("_")) || str_starts(own, S("[")));
}

static void note_none(struct check *c, const char *reason)
{
    struct auth_results_fact fact = { .method = "dkim",
                                      .result = AUTH_RESULTS_NONE,
                                      .reason = str_of(reason) };

    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
}

/* Empty where the signature could not be read so far. */
static str_t algorithm(const struct dkim_signature *s)
{
    if (s->outcome != DKIM_OUTCOME_PASS)
        return S("");
    return s->kind == CRYPTO_KEY_ED25519 ? S("ed25519-sha256") : S("rsa-sha256");
}

static str_t identity(struct arena *a, const struct dkim_signature *s)
{
    if (s->identity.n == 0)
        return S("");
    return str_of(arena_printf(a, "@%.*s", STR_ARG(s->identity)));
}

static void note(struct check *c, const struct dkim_signature *s,
                 enum dkim_outcome outcome)
{
    struct arena *a = c->mail->arena;
    struct auth_results_fact fact = { .method = "dkim",
                                      .result = results[dkim_outcome_result(outcome)],
                                      .reason = str_of(dkim_outcome_text(outcome)),
                                      .properties = { { "header.d", s->domain },
                                                      { "header.i", identity(a, s) },
                                                      { "header.s", s->selector },
                                                      { "header.a", algorithm(s) } } };

    verdict_add(&c->mail->verdict, a, &fact);
    log_debug("smtp.dkim", "domain=%.*s selector=%.*s result=%s reason=\"%.*s\"",
              STR_ARG(s->domain), STR_ARG(s->selector),
              auth_results_word_name(fact.result), STR_ARG(fact.reason));
}

static bool matters(const struct asked *s, const struct dkim_signature *signature)
{
    if (s->others_matter || dkim_rule_counts(signature, s->from))
        return true;
    return s->organization.n > 0 &&
           str_eq_nocase(public_suffix_organization(signature->domain), s->organization);
}

/* What the reply says behind its text; NULL: nothing. */
static const char *note_all(struct check *c, const struct asked *s, size_t decisive)
{
    const struct dkim_watch *w = c->mail->dkim;
    size_t noted = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (!matters(s, &w->signatures[i]))
            continue;
        note(c, &w->signatures[i], s->outcomes[i]);
        noted++;
    }
    if (decisive == w->count) {
        const char *reason = w->count == 0 ? NULL : "none is by the domain in From";

        if (noted == 0)
            note_none(c, reason);
        metric_add(&judged[AUTH_RESULTS_NONE], 1);
        return reason;
    }
    metric_add(&judged[results[dkim_outcome_result(s->outcomes[decisive])]], 1);
    return dkim_outcome_text(s->outcomes[decisive]);
}

static enum check_result later(struct check *c, const struct policy *bad)
{
    return check_conclude_later(
        c, bad->action, &c->ingress->options->dkim_temporary, 451, "4.4.3",
        "The key of the DKIM signature cannot be looked up now, try again later");
}

/* Whoever signed: RC_OK: one holds; RC_RETRY: one may; RC_NOT_FOUND: there is none. */
static enum rc anybodys(const struct check *c, const struct asked *s)
{
    size_t count = c->mail->dkim->count;
    enum rc rc = count == 0 ? RC_NOT_FOUND : RC_INVALID;

    for (size_t i = 0; i < count && rc != RC_OK; i++) {
        if (s->outcomes[i] == DKIM_OUTCOME_PASS)
            rc = RC_OK;
        else if (dkim_outcome_result(s->outcomes[i]) == DKIM_RESULT_TEMPERROR)
            rc = RC_RETRY;
    }
    return rc;
}

/* The softer rules. */
static enum check_result judge_anybodys(struct check *c, const struct asked *s)
{
    const struct policy *none = &c->ingress->options->dkim_no_sig_action,
                        *broken = &c->ingress->options->dkim_broken_sig_action;
    enum rc rc = anybodys(c, s);

    if (rc == RC_NOT_FOUND && none->action != POLICY_OFF)
        return check_conclude(c, none, 550, "5.7.20", "No DKIM signature found");
    if (rc == RC_INVALID && broken->action != POLICY_OFF)
        return check_conclude(c, broken, 550, "5.7.20",
                              "No passing DKIM signature found");
    if (rc == RC_RETRY && broken->action != POLICY_OFF)
        return later(c, broken);
    return CHECK_PASS;
}

static enum check_result decide(struct check *c, const struct asked *s)
{
    const struct policy *policy = &c->ingress->options->dkim;
    const struct dkim_watch *w = c->mail->dkim;
    size_t decisive;
    enum dkim_rule rule =
        dkim_rule_judge(s->from, w->signatures, s->outcomes, w->count, &decisive);
    const char *reason = note_all(c, s, decisive);

    if (judge_anybodys(c, s) == CHECK_REFUSE)
        return CHECK_REFUSE;
    if (rule == DKIM_RULE_ACCEPT || policy->action == POLICY_OFF)
        return CHECK_PASS;
    if (rule == DKIM_RULE_LATER)
        return later(c, policy);
    return check_conclude(c, policy, 554, "5.7.1",
                          reason == NULL ? dkim_rule_text(rule)
                                         : arena_printf(c->mail->arena, "%s: %s",
                                                        dkim_rule_text(rule), reason));
}

/* The names that are compared and asked for have one form. */
static bool to_ascii(struct arena *a, struct dkim_signature *s)
{
    return dns_name_to_ascii(a, s->domain, &s->domain) == RC_OK &&
           dns_name_to_ascii(a, s->identity, &s->identity) == RC_OK &&
           dns_name_to_ascii(a, s->selector, &s->selector) == RC_OK;
}

static struct dns_question *ask_key(struct check *c, const struct dkim_signature *s)
{
    const char *name = arena_printf(c->mail->arena, "%.*s._domainkey.%.*s",
                                    STR_ARG(s->selector), STR_ARG(s->domain));

    return judge_ask(c->judgement, str_of(name), DNS_TXT);
}

static enum check_result ask(struct check *c)
{
    struct dkim_watch *w = c->mail->dkim;
    struct arena *a = c->mail->arena;
    struct asked *s = arena_alloc(a, sizeof(*s));
    int64_t now = clock_unix();
    bool waits = false;

    dkim_watch_end(w);
    s->others_matter = c->ingress->options->dkim_broken_sig_action.action != POLICY_OFF;
    if (dns_name_to_ascii(a, c->judged.author.domain, &s->from) != RC_OK)
        s->from = c->judged.author.domain; /* no signature's domain is like that */
    if (c->ingress->options->dmarc.action != POLICY_OFF)
        s->organization = public_suffix_organization(s->from);
    for (size_t i = 0; i < w->count; i++) {
        struct dkim_signature *signature = &w->signatures[i];

        if (!to_ascii(a, signature))
            signature->outcome = DKIM_OUTCOME_SYNTAX;
        s->outcomes[i] = dkim_verify_without_key(signature, &w->body, now);
        if (s->outcomes[i] != DKIM_OUTCOME_PASS || !matters(s, signature))
            continue;
        s->questions[i] = ask_key(c, signature);
        waits = true;
    }
    *c->state = s;
    return waits ? CHECK_WAIT : decide(c, s);
}

static enum dkim_outcome verify(struct arena *a, struct dkim_keys *keys,
                                const struct dkim_signature *s,
                                const struct dkim_header *header, str_t rdata)
{
    struct dkim_keys_entry *key;
    enum dkim_outcome outcome;
    str_t text;

    if (!dns_table_text(a, rdata, &text))
        return DKIM_OUTCOME_KEY_SYNTAX;
    outcome = dkim_keys_get(keys, a, text, &key);
    if (outcome != DKIM_OUTCOME_PASS)
        return outcome;
    outcome = dkim_verify_with_key(a, s, header, dkim_keys_key(key));
    dkim_keys_release(keys, key);
    return outcome;
}

/* What is no key at all is the last thing to say of a name with several records.  Each
 * takes the header's length a few times, which the message, that may wait for others
 * then, does not keep. */
static enum dkim_outcome look(struct check *c, const struct dkim_signature *s,
                              const struct dkim_header *header,
                              const struct dns_question *q)
{
    enum dkim_outcome outcome = DKIM_OUTCOME_KEY_SYNTAX;
    struct dns_records found;
    struct arena *scratch;
    enum rc rc = dns_answer_raw(q, c->mail->arena, &found);

    if (rc == RC_NOT_FOUND || rc == RC_INVALID)
        return DKIM_OUTCOME_KEY_MISSING;
    if (rc != RC_OK)
        return DKIM_OUTCOME_KEY_UNREACHABLE;
    scratch = arena_new();
    for (size_t i = 0; i < found.count && i < RECORDS_LOOKED_AT; i++) {
        enum dkim_outcome one =
            verify(scratch, c->ingress->dkim_keys, s, header, found.data[i]);

        arena_reset(scratch);
        if (outcome == DKIM_OUTCOME_KEY_SYNTAX || one == DKIM_OUTCOME_PASS)
            outcome = one;
        if (one == DKIM_OUTCOME_PASS)
            break;
    }
    arena_free(&scratch);
    return outcome;
}

enum check_result check_dkim(struct check *c)
{
    const struct dkim_watch *w = c->mail->dkim;
    struct asked *s = *c->state;
    struct dkim_header header;

    if (s == NULL &&
        is_exempt(c->judged.author.domain, domains_first(c->ingress->route.domains))) {
        note_none(c, "the domain in From cannot have a key in the DNS");
        metric_add(&judged[AUTH_RESULTS_NONE], 1);
        return CHECK_PASS;
    }
    if (s == NULL)
        return ask(c);
    dkim_header_init(c->mail->arena, w->header, &header);
    for (size_t i = 0; i < w->count; i++) {
        if (s->questions[i] != NULL)
            s->outcomes[i] = look(c, &w->signatures[i], &header, s->questions[i]);
    }
    return decide(c, s);
}

void check_dkim_register_metrics(void)
{
    for (size_t i = 0; i < AUTH_RESULTS_WORDS; i++) {
        if (judged[i].name != NULL) /* not every word is one of DKIM's */
            metric_register(&judged[i]);
    }
}
