/* dmarc.h - is the author's domain what SPF and DKIM have proven, and if not, what does
 * that domain want?
 *
 * As spf.h: dmarc_step with DMARC_WAIT has written a question into the table and is
 * called again once it is answered; there are at most two.  SPF and DKIM are done before.
 * Domains are compared as the DNS has them, in A-labels.
 * Pure but for the list of public suffixes.  Lives in the arena.  Thread: one at a time.
 * RFC 7489 3.1, 4.2, 6.6.
 */
#pragma once

#include "base/str.h"
#include "mail/dmarc_record.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct dmarc;
struct dns_table;

enum dmarc_result {
    DMARC_NONE, /* the domain has no policy */
    DMARC_PASS,
    DMARC_FAIL,
    DMARC_TEMPERROR, /* may be known later: the policy, or what would have been aligned */
    DMARC_PERMERROR, /* the policy is malformed */
    DMARC_RESULTS
};

enum dmarc_progress { DMARC_WAIT, DMARC_DONE };

/* What another method found about a domain. */
struct dmarc_identifier {
    str_t domain; /* of MAIL FROM or helo (spf_outcome), or a signature's d= */
    bool passed;
    bool temporary; /* temperror */
};

/* Borrowed as long as the arena. */
struct dmarc_facts {
    str_t author; /* the domain of From: address_author, which knows but one (6.6.1) */
    struct dmarc_identifier spf;
    const struct dmarc_identifier *signatures;
    size_t signature_count;
    unsigned random; /* 0 to 99, new for each message: for pct */
};

struct dmarc_outcome {
    enum dmarc_result result;
    str_t domain;                /* whose record it is; empty: there is none */
    enum dmarc_policy published; /* of the record for this domain; NONE without one */
    enum dmarc_policy policy;    /* what follows, after pct; NONE but with DMARC_FAIL */
    bool sampled_out;            /* pct made it milder */
    const char *reason;          /* for people; NULL: none */
};

struct dmarc *dmarc_begin(struct arena *a, struct dns_table *t,
                          const struct dmarc_facts *facts);
enum dmarc_progress dmarc_step(struct dmarc *d);
const struct dmarc_outcome *dmarc_outcome(const struct dmarc *d); /* after DMARC_DONE */

const char *dmarc_result_name(enum dmarc_result r); /* "pass" */
const char *dmarc_policy_name(enum dmarc_policy p); /* "reject" */
