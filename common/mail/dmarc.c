/* dmarc.c - the policy is found first, then the message measured by it. */
#include "mail/dmarc.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/public_suffix.h"
#include "mail/dns_table.h"

struct dmarc {
    struct arena *arena;
    struct dns_table *table;
    struct dmarc_facts facts;
    str_t organization; /* of the author's domain */
    bool done;
    struct dmarc_outcome outcome;
};

static bool finish(struct dmarc *d, enum dmarc_result result, const char *reason)
{
    d->outcome.result = result;
    d->outcome.reason = reason;
    d->done = true;
    return true;
}

/* 6.6.3: what is no DMARC record does not count.  False: wait. */
static bool find_records(struct dmarc *d, str_t domain, size_t *count, str_t *record,
                         bool *failed)
{
    str_t name = str_of(arena_printf(d->arena, "_dmarc.%.*s", STR_ARG(domain)));
    struct dns_table_row *row = dns_table_ask(d->table, name, DNS_TABLE_TXT);
    str_t text;

    *count = 0;
    *failed = row->state == DNS_TABLE_FAILED;
    for (size_t i = 0; i < row->count; i++)
        if (dns_table_text(d->arena, row->records[i], &text) && dmarc_record_is(text)) {
            *record = text;
            (*count)++;
        }
    return row->state != DNS_TABLE_WANTED;
}

static bool is_aligned(const struct dmarc *d, str_t domain, bool strict)
{
    if (strict)
        return str_eq_nocase(domain, d->facts.author);
    return domain.n > 0 &&
           str_eq_nocase(public_suffix_organization(domain), d->organization);
}

static void measure(struct dmarc *d, const struct dmarc_record *r)
{
    const struct dmarc_facts *f = &d->facts;
    bool temporary = false;

    for (size_t i = 0; i <= f->signature_count; i++) {
        const struct dmarc_identifier *id =
            i == f->signature_count ? &f->spf : &f->signatures[i];

        if (!is_aligned(d, id->domain, id == &f->spf ? r->strict_spf : r->strict_dkim))
            continue;
        if (id->passed) {
            finish(d, DMARC_PASS, NULL);
            return;
        }
        temporary = temporary || id->temporary;
    }
    if (temporary) {
        finish(d, DMARC_TEMPERROR, "SPF or DKIM may pass later");
        return;
    }
    finish(d, DMARC_FAIL, "Neither SPF nor DKIM pass for the author's domain");
    d->outcome.policy = d->outcome.published;
    /* 6.6.4: the next milder one for the others. */
    if (f->random >= r->percent && d->outcome.policy != DMARC_POLICY_NONE) {
        d->outcome.policy--;
        d->outcome.sampled_out = true;
    }
}

static bool run(struct dmarc *d)
{
    str_t record = S(""), domain = d->facts.author;
    bool is_own = true, failed;
    struct dmarc_record r;
    size_t count;

    if (!dns_table_is_name(domain) || domain.p[0] == '[')
        return finish(d, DMARC_NONE, "The author's domain is no name of the DNS");
    if (!find_records(d, domain, &count, &record, &failed))
        return false;
    if (!failed && count == 0 && !str_eq_nocase(domain, d->organization)) {
        domain = d->organization;
        is_own = false;
        if (!find_records(d, domain, &count, &record, &failed))
            return false;
    }
    if (failed)
        return finish(d, DMARC_TEMPERROR, "DNS does not say what the DMARC policy is");
    if (count == 0)
        return finish(d, DMARC_NONE, "The author's domain has no DMARC policy");
    if (count > 1)
        return finish(d, DMARC_NONE, "There are several DMARC policies");
    if (dmarc_record_parse(record, &r) != RC_OK)
        return finish(d, DMARC_PERMERROR, "The DMARC policy is malformed");
    d->outcome.domain = domain;
    d->outcome.published = is_own ? r.policy : r.subdomain_policy;
    measure(d, &r);
    return true;
}

struct dmarc *dmarc_begin(struct arena *a, struct dns_table *t,
                          const struct dmarc_facts *facts)
{
    struct dmarc *d = arena_alloc(a, sizeof(*d));

    CHECK(facts->random < 100);
    d->arena = a;
    d->table = t;
    d->facts = *facts;
    d->organization = public_suffix_organization(facts->author);
    return d;
}

enum dmarc_progress dmarc_step(struct dmarc *d)
{
    return d->done || run(d) ? DMARC_DONE : DMARC_WAIT;
}

const struct dmarc_outcome *dmarc_outcome(const struct dmarc *d)
{
    CHECK(d->done);
    return &d->outcome;
}

const char *dmarc_result_name(enum dmarc_result r)
{
    static const char *const names[DMARC_RESULTS] = { "none", "pass", "fail", "temperror",
                                                      "permerror" };

    CHECK(r < DMARC_RESULTS);
    return names[r];
}

const char *dmarc_policy_name(enum dmarc_policy p)
{
    static const char *const names[] = { "none", "quarantine", "reject" };

    CHECK(p < ARRAY_LEN(names));
    return names[p];
}
