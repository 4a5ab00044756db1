/* spf.c - check_host() with its recursion in an array.
 *
 * A frame is one record under evaluation, the first that of the sender's domain, each
 * further one included by the one below.  A redirect replaces the record of its frame.
 * Every include and redirect is one of the ten lookups, so there are at most eleven.
 */
#include "mail/spf.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/dns_table.h"
#include "mail/spf_macro.h"
#include "mail/spf_record.h"

#include <string.h>

enum { FRAMES_MAX = SPF_LOOKUPS_MAX + 1 };

enum phase {
    PHASE_RECORD,   /* its record is asked for */
    PHASE_TERM,     /* the next one */
    PHASE_TARGET,   /* the term's domain is expanded */
    PHASE_MATCH,    /* does it match? */
    PHASE_REDIRECT, /* no term did */
    PHASE_EXPLAIN,  /* a fail */
    PHASE_DONE,
};

enum match { MATCH_NO, MATCH_YES, MATCH_WAIT, MATCH_TEMPERROR, MATCH_PERMERROR };

struct frame {
    enum phase phase;
    str_t domain;
    bool is_redirected;
    struct spf_record record;
    struct spf_record_term term;
    str_t target; /* the term's domain; also a redirection's and an explanation's */
};

struct spf {
    struct arena *arena;
    struct dns_table *table;
    struct spf_macro_values values;
    unsigned char ip[16];
    struct frame frames[FRAMES_MAX];
    size_t depth; /* of the current frame */
    unsigned lookups, voids;
    bool names_known; /* the validated names of the address */
    size_t name_count;
    str_t names[SPF_HOSTS_MAX];
    struct spf_outcome outcome;
};

static bool finish(struct spf *s, enum spf_result result, const char *reason)
{
    s->outcome.result = result;
    s->outcome.reason = reason;
    s->depth = 0;
    s->frames[0].phase = PHASE_DONE;
    return true;
}

static struct frame *current(struct spf *s)
{
    return &s->frames[s->depth];
}

static int address_type(const struct spf *s)
{
    return s->values.ip_bytes == 4 ? DNS_TABLE_A : DNS_TABLE_AAAA;
}

/* The first bits of both are the same. */
static bool is_within(const unsigned char *ip, const void *network, unsigned bits)
{
    unsigned rest = bits % 8;
    const unsigned char *n = network;

    if (memcmp(ip, n, bits / 8) != 0)
        return false;
    return rest == 0 || ((ip[bits / 8] ^ n[bits / 8]) >> (8 - rest)) == 0;
}

static bool has_address(const struct spf *s, const struct dns_table_row *row,
                        unsigned prefix)
{
    for (size_t i = 0; i < row->count; i++)
        if (row->records[i].n == s->values.ip_bytes &&
            is_within(s->ip, row->records[i].p, prefix))
            return true;
    return false;
}

static struct dns_table_row *ask_names(struct spf *s)
{
    str_t name = spf_macro_domain(s->arena, &s->values, S("%{ir}.%{v}.arpa"));

    return dns_table_ask(s->table, name, DNS_TABLE_PTR);
}

/* 5.5: the names that the address has and that have the address.  False: wait. */
static bool validate_names(struct spf *s)
{
    struct dns_table_row *ptr, *row;
    str_t names[SPF_HOSTS_MAX];
    size_t count = 0;
    bool waits = false;

    if (s->names_known)
        return true;
    ptr = ask_names(s);
    if (ptr->state == DNS_TABLE_WANTED)
        return false;
    for (size_t i = 0; i < ptr->count && count < SPF_HOSTS_MAX; i++)
        if (dns_table_host(s->arena, DNS_TABLE_PTR, ptr->records[i], &names[count]) &&
            names[count].n > 0)
            count++;
    for (size_t i = 0; i < count; i++) {
        row = dns_table_ask(s->table, names[i], address_type(s));
        waits = waits || row->state == DNS_TABLE_WANTED;
    }
    if (waits)
        return false;
    for (size_t i = 0; i < count; i++) {
        row = dns_table_ask(s->table, names[i], address_type(s));
        if (has_address(s, row, s->values.ip_bytes * 8))
            s->names[s->name_count++] = names[i];
    }
    s->names_known = true;
    return true;
}

static bool is_below(str_t name, str_t domain)
{
    return name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
           str_ends_nocase(name, domain);
}

/* 7.3: the domain itself, else one below it, else any. */
static str_t best_name(const struct spf *s, str_t domain)
{
    for (size_t i = 0; i < s->name_count; i++)
        if (str_eq_nocase(s->names[i], domain))
            return s->names[i];
    for (size_t i = 0; i < s->name_count; i++)
        if (is_below(s->names[i], domain))
            return s->names[i];
    return s->name_count > 0 ? s->names[0] : S("");
}

/* What macros stand for in the current record.  False: wait. */
static bool prepare_values(struct spf *s, str_t text)
{
    s->values.domain = current(s)->domain;
    if (!spf_macro_has_p(text))
        return true;
    if (!validate_names(s))
        return false;
    s->values.validated = best_name(s, s->values.domain);
    return true;
}

static bool expand(struct spf *s, str_t spec, str_t *out)
{
    if (!prepare_values(s, spec))
        return false;
    *out = spf_macro_domain(s->arena, &s->values, spec);
    return true;
}

static enum spf_result result_of(const struct spf_record_term *t)
{
    switch (t->qualifier) {
    case '-':
        return SPF_FAIL;
    case '~':
        return SPF_SOFTFAIL;
    case '?':
        return SPF_NEUTRAL;
    default:
        return SPF_PASS;
    }
}

/* What a record says of a host ends the check, or tells the one that included it. */
static bool end_record(struct spf *s, enum spf_result result, str_t mechanism)
{
    struct frame *f = current(s);

    if (s->depth > 0) {
        s->depth--;
        f = current(s);
        if (result != SPF_PASS) {
            f->phase = PHASE_TERM;
            return true;
        }
        return end_record(s, result_of(&f->term), f->term.text);
    }
    s->outcome.mechanism = mechanism;
    if (result != SPF_FAIL || f->record.exp.n == 0)
        return finish(s, result, NULL);
    s->outcome.result = result;
    f->phase = PHASE_EXPLAIN;
    return true;
}

static bool end_without_record(struct spf *s, const char *reason)
{
    if (s->depth > 0 || s->frames[0].is_redirected)
        return finish(s, SPF_PERMERROR,
                      "An included or redirected domain has no SPF record");
    return finish(s, SPF_NONE, reason);
}

static bool is_multi_label(str_t domain)
{
    return dns_table_is_name(domain) && str_find_char(domain, '.') < domain.n - 1;
}

/* False: wait. */
static bool run_record(struct spf *s)
{
    struct frame *f = current(s);
    struct dns_table_row *row;
    str_t text, record = S("");
    size_t found = 0;

    if (!is_multi_label(f->domain))
        return end_without_record(s, "The domain is no name of the DNS");
    row = dns_table_ask(s->table, f->domain, DNS_TABLE_TXT);
    if (row->state == DNS_TABLE_WANTED)
        return false;
    if (row->state == DNS_TABLE_FAILED)
        return finish(s, SPF_TEMPERROR, "DNS does not say what the SPF record is");
    for (size_t i = 0; i < row->count; i++)
        if (dns_table_text(s->arena, row->records[i], &text) && spf_record_is(text)) {
            record = text;
            found++;
        }
    if (found == 0)
        return end_without_record(s, "The domain has no SPF record");
    if (found > 1)
        return finish(s, SPF_PERMERROR, "There are several SPF records");
    if (spf_record_parse(record, &f->record) != RC_OK)
        return finish(s, SPF_PERMERROR, "The SPF record is malformed");
    f->phase = PHASE_TERM;
    return true;
}

/* 4.6.4: a %{p} in its domain is one more, unless the names are known. */
static bool count_lookup(struct spf *s, str_t spec)
{
    s->lookups += !s->names_known && spf_macro_has_p(spec) ? 2 : 1;
    return s->lookups <= SPF_LOOKUPS_MAX;
}

static bool run_term(struct spf *s)
{
    struct frame *f = current(s);
    str_t spec = f->record.redirect;

    if (!spf_record_next(&f->record, &f->term)) {
        if (spec.n == 0)
            return end_record(s, SPF_NEUTRAL, S(""));
        f->phase = PHASE_REDIRECT;
    } else {
        spec = f->term.domain;
        f->target = f->domain;
        f->phase = spec.n > 0 ? PHASE_TARGET : PHASE_MATCH;
        if (f->term.kind == SPF_RECORD_ALL || f->term.kind == SPF_RECORD_IP4 ||
            f->term.kind == SPF_RECORD_IP6)
            return true;
    }
    if (!count_lookup(s, spec))
        return finish(s, SPF_PERMERROR, "The SPF record needs more than 10 lookups");
    return true;
}

/* A term whose question led nowhere, unless it could not be asked at all. */
static enum match nothing_found(struct spf *s, const struct dns_table_row *row)
{
    if (row->name.n > 0)
        s->voids++;
    return s->voids <= SPF_VOIDS_MAX ? MATCH_NO : MATCH_PERMERROR;
}

/* A and exists. */
static enum match match_address(struct spf *s, int type, unsigned prefix)
{
    struct dns_table_row *row = dns_table_ask(s->table, current(s)->target, type);

    switch (row->state) {
    case DNS_TABLE_WANTED:
        return MATCH_WAIT;
    case DNS_TABLE_FAILED:
        return MATCH_TEMPERROR;
    case DNS_TABLE_RECORDS:
        if (current(s)->term.kind == SPF_RECORD_EXISTS)
            return row->count > 0 ? MATCH_YES : MATCH_NO;
        return has_address(s, row, prefix) ? MATCH_YES : MATCH_NO;
    default:
        return nothing_found(s, row);
    }
}

static enum match match_mx(struct spf *s, unsigned prefix)
{
    struct dns_table_row *mx = dns_table_ask(s->table, current(s)->target, DNS_TABLE_MX);
    struct dns_table_row *rows[SPF_HOSTS_MAX];
    bool waits = false, failed = false, any = false;
    size_t count = 0;
    str_t host;

    if (mx->state == DNS_TABLE_WANTED)
        return MATCH_WAIT;
    if (mx->state == DNS_TABLE_FAILED)
        return MATCH_TEMPERROR;
    for (size_t i = 0; i < mx->count; i++) {
        if (!dns_table_host(s->arena, DNS_TABLE_MX, mx->records[i], &host) || host.n == 0)
            continue;
        if (count == SPF_HOSTS_MAX)
            return MATCH_PERMERROR;
        rows[count++] = dns_table_ask(s->table, host, address_type(s));
    }
    for (size_t i = 0; i < count; i++) {
        waits = waits || rows[i]->state == DNS_TABLE_WANTED;
        failed = failed || rows[i]->state == DNS_TABLE_FAILED;
        any = any || rows[i]->state == DNS_TABLE_RECORDS;
        if (has_address(s, rows[i], prefix))
            return MATCH_YES;
    }
    if (waits)
        return MATCH_WAIT;
    if (failed)
        return MATCH_TEMPERROR;
    return any ? MATCH_NO : nothing_found(s, mx);
}

static enum match match_ptr(struct spf *s)
{
    const struct dns_table_row *ptr = ask_names(s);
    str_t target = current(s)->target;

    if (!validate_names(s))
        return MATCH_WAIT;
    for (size_t i = 0; i < s->name_count; i++)
        if (str_eq_nocase(s->names[i], target) || is_below(s->names[i], target))
            return MATCH_YES;
    if (ptr->state == DNS_TABLE_NODATA || ptr->state == DNS_TABLE_NXDOMAIN)
        return nothing_found(s, ptr);
    return MATCH_NO;
}

static enum match match_term(struct spf *s)
{
    const struct spf_record_term *t = &current(s)->term;
    bool v4 = s->values.ip_bytes == 4;
    unsigned prefix = v4 ? t->prefix4 : t->prefix6;

    switch (t->kind) {
    case SPF_RECORD_ALL:
        return MATCH_YES;
    case SPF_RECORD_IP4:
        return v4 && is_within(s->ip, t->ip, prefix) ? MATCH_YES : MATCH_NO;
    case SPF_RECORD_IP6:
        return !v4 && is_within(s->ip, t->ip, prefix) ? MATCH_YES : MATCH_NO;
    case SPF_RECORD_A:
        return match_address(s, address_type(s), prefix);
    case SPF_RECORD_EXISTS:
        return match_address(s, DNS_TABLE_A, 0); /* 5.7: also for IPv6 */
    case SPF_RECORD_MX:
        return match_mx(s, prefix);
    default:
        return match_ptr(s);
    }
}

static bool include(struct spf *s)
{
    str_t domain = current(s)->target;

    CHECK(s->depth + 1 < FRAMES_MAX);
    s->depth++;
    *current(s) = (struct frame){ .phase = PHASE_RECORD, .domain = domain };
    return true;
}

static bool run_match(struct spf *s)
{
    struct frame *f = current(s);

    if (f->term.kind == SPF_RECORD_INCLUDE)
        return include(s);
    switch (match_term(s)) {
    case MATCH_WAIT:
        return false;
    case MATCH_NO:
        f->phase = PHASE_TERM;
        return true;
    case MATCH_TEMPERROR:
        return finish(s, SPF_TEMPERROR, "DNS does not answer what the SPF record asks");
    case MATCH_PERMERROR:
        return finish(s, SPF_PERMERROR, "The SPF record asks too much of the DNS");
    default:
        return end_record(s, result_of(&f->term), f->term.text);
    }
}

/* 6.2: whatever goes wrong here, there is no explanation. */
static bool run_explain(struct spf *s)
{
    struct dns_table_row *row;
    str_t text;

    if (!expand(s, current(s)->record.exp, &current(s)->target))
        return false;
    row = dns_table_ask(s->table, current(s)->target, DNS_TABLE_TXT);
    if (row->state == DNS_TABLE_WANTED)
        return false;
    if (row->count == 1 && dns_table_text(s->arena, row->records[0], &text)) {
        if (!prepare_values(s, text))
            return false;
        if (spf_macro_explain(s->arena, &s->values, text, &s->outcome.explanation) !=
            RC_OK)
            s->outcome.explanation = S("");
    }
    return finish(s, SPF_FAIL, NULL);
}

/* One step of one frame.  False: wait. */
static bool run(struct spf *s)
{
    struct frame *f = current(s);

    switch (f->phase) {
    case PHASE_RECORD:
        return run_record(s);
    case PHASE_TERM:
        return run_term(s);
    case PHASE_TARGET:
        if (!expand(s, f->term.domain, &f->target))
            return false;
        f->phase = PHASE_MATCH;
        return true;
    case PHASE_MATCH:
        return run_match(s);
    case PHASE_REDIRECT:
        if (!expand(s, f->record.redirect, &f->target))
            return false;
        *f = (struct frame){ .phase = PHASE_RECORD,
                             .domain = f->target,
                             .is_redirected = true };
        return true;
    default:
        return run_explain(s);
    }
}

struct spf *spf_begin(struct arena *a, struct dns_table *t, const struct spf_facts *facts)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct spf *s = arena_alloc(a, sizeof(*s));
    struct spf_macro_values *v = &s->values;
    const unsigned char *ip = facts->ip;
    str_t sender = facts->sender;
    size_t at = sender.n;

    CHECK(facts->ip_bytes == 4 || facts->ip_bytes == 16);
    s->arena = a;
    s->table = t;
    *v = (struct spf_macro_values){ .helo = facts->helo,
                                    .receiver = facts->receiver,
                                    .ip = s->ip,
                                    .ip_bytes = facts->ip_bytes,
                                    .now_unix = facts->now_unix };
    if (v->ip_bytes == 16 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
        v->ip_bytes = 4;
        ip += sizeof(mapped);
    }
    memcpy(s->ip, ip, v->ip_bytes);
    s->outcome.is_helo = sender.n == 0;
    while (at > 0 && sender.p[at - 1] != '@')
        at--;
    v->local = at > 1 ? str_head(sender, at - 1) : S("postmaster"); /* 4.3 */
    v->sender_domain = s->outcome.is_helo ? facts->helo : str_skip(sender, at);
    s->outcome.domain = v->sender_domain;
    s->frames[0] = (struct frame){ .phase = PHASE_RECORD, .domain = v->sender_domain };
    return s;
}

enum spf_progress spf_step(struct spf *s)
{
    while (current(s)->phase != PHASE_DONE)
        if (!run(s))
            return SPF_WAIT;
    return SPF_DONE;
}

const struct spf_outcome *spf_outcome(const struct spf *s)
{
    CHECK(s->frames[0].phase == PHASE_DONE);
    return &s->outcome;
}

const char *spf_result_name(enum spf_result r)
{
    static const char *const names[SPF_RESULTS] = { "none",     "neutral",  "pass",
                                                    "fail",     "softfail", "temperror",
                                                    "permerror" };

    CHECK(r < SPF_RESULTS);
    return names[r];
}
