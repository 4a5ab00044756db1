/* spf.h - may this host send mail of that sender?  RFC 7208, whole.
 *
 * check_host() as steps: spf_step goes as far as it knows answers.  With SPF_WAIT it has
 * written its questions into the table (dns_table.h) and is called again once none of
 * them is wanted.  It ends after at most SPF_STEPS_MAX steps.  Who lets no question wait
 * for ever (DNS_TABLE_FAILED makes it a temperror) also keeps the time of 4.6.4.
 *
 * Limits, each a permerror unless said otherwise: 10 terms that ask, 2 of them in vain,
 * 10 MX hosts a term; of more than 10 PTR records the first 10 count; an explanation of
 * more than SPF_MACRO_MAX_BYTES, or one that no reply can have, is none.
 *
 * Domains are handed in as the DNS has them, beyond ASCII as A-labels; others give none.
 * A local part beyond ASCII makes names that do not exist (RFC 8616 4).
 *
 * Pure.  Lives in the arena.  Thread: one at a time.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct dns_table;
struct spf;

enum {
    SPF_LOOKUPS_MAX = 10,
    SPF_VOIDS_MAX = 2,
    SPF_HOSTS_MAX = 10,                     /* of an MX or PTR answer */
    SPF_STEPS_MAX = 2 * SPF_LOOKUPS_MAX + 8 /* a host is asked after its name */
};

enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULTS
};

enum spf_progress { SPF_WAIT, SPF_DONE };

/* Borrowed as long as the arena. */
struct spf_facts {
    const void *ip;    /* who sends; network order; mapped IPv4 counts as IPv4 */
    unsigned ip_bytes; /* 4 or 16 */
    str_t sender;      /* MAIL FROM; empty: postmaster at helo */
    str_t helo;
    str_t receiver; /* our host name, for explanations */
    int64_t now_unix;
};

struct spf_outcome {
    enum spf_result result;
    str_t domain;       /* which was asked about, that of the sender or helo */
    bool is_helo;       /* there was no sender */
    str_t mechanism;    /* the term that decided, as written; empty: none did */
    str_t explanation;  /* of a fail, visible ASCII and blanks; the domain's words, not
                           ours */
    const char *reason; /* of none and errors, for people; NULL: none */
};

struct spf *spf_begin(struct arena *a, struct dns_table *t,
                      const struct spf_facts *facts);
enum spf_progress spf_step(struct spf *s);
const struct spf_outcome *spf_outcome(const struct spf *s); /* after SPF_DONE */

const char *spf_result_name(enum spf_result r); /* "pass" */
