/* dns.h - questions to the DNS, validated by DNSSEC.
 *
 * The door to libunbound.  One context (and cache) per process, its own thread.  The
 * calls block until the answer or the deadline, so they belong in workers, not on loops;
 * who holds no thread while it waits uses dns_ask.
 * Answers are hostile input: bounded in number and length, names in lower case without
 * the final dot.
 * RC_NOT_FOUND: the name or that type at the name does not exist (see nxdomain);
 * RC_RETRY: no usable answer now (SERVFAIL, bogus); RC_TIMEOUT; RC_INVALID: the name is
 * not one.  Thread: any.
 */
#pragma once

#include "base/clock.h"
#include "base/rc.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/dns_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct dns;

struct dns_options {
    /* "" or NULL: /etc/resolv.conf; "root": recurse from the root; otherwise
     * "address" or "address:port" ("[v6]:port") of forwarders, with commas between. */
    const char *resolver;
    /* NULL or "": Debian's root key if it is there; "none": nothing is validated, for
     * resolvers that cannot pass DNSSEC on. */
    const char *trust_anchor_file;
    /* Questions that may be on the way at the same time, each with a descriptor; further
     * ones queue.  0: the library's 16. */
    unsigned at_once;
};

/* RC_INVALID with the reason in *why (may be NULL). */
enum rc dns_new(const struct dns_options *o, struct buf *why,
                struct dns **out) RC_CHECKED;
void dns_stop(struct dns *d);  /* calls end at once from now on, with RC_TIMEOUT */
void dns_free(struct dns **d); /* after the last call returned */

/* One question of which word is sent instead of somebody waiting. */
struct dns_question;

enum { DNS_MX = 15, DNS_TXT = 16 };

struct dns_wait {
    struct deadline until;
    void (*answered)(void *user); /* NULL is dns.c's own: a thread blocks */
    void *user;
    /* Whose question it is: one asker has at most a fifth of at_once without an answer,
     * those that were forgotten among them, and RC_RETRY at once for more.  0: nobody's,
     * without that limit, as are all if at_once is 0. */
    uint64_t asker;
    enum dns_name_kind kind; /* what a name may be made of */
};

/* answered(user) is called exactly once: when there is an answer, when `until` has
 * passed, at dns_stop, or before this returns when there is nothing to wait for (no name,
 * no room).  It runs in any thread, under a lock: it sends word and calls nothing here.
 * Afterwards dns_answer_mx or _raw says what came.  Name and wait are copied. */
struct dns_question *dns_ask(struct dns *d, str_t name, int type,
                             const struct dns_wait *wait);
/* Ends it, at any time; answered is not called any more once this has returned.  Before
 * dns_free; *q may be NULL. */
void dns_forget(struct dns_question **q);

struct dns_status {
    bool secure;   /* validated by DNSSEC, non-existence too */
    bool bogus;    /* failed validation; the call returned RC_RETRY */
    bool nxdomain; /* with RC_NOT_FOUND: the name itself does not exist */
};

enum { DNS_ADDRESSES_MAX = 32, DNS_MX_MAX = 32, DNS_RECORDS_MAX = 64 };

struct dns_addresses {
    struct dns_status status; /* secure: all of it */
    enum rc missing; /* RC_OK: both families are known; else why one of them is not */
    size_t count;
    struct addr *addr; /* what AAAA records say first; port 0 */
};

/* A and AAAA.  One family may fail when the other has answers: see missing. */
enum rc dns_addresses(struct dns *d, struct arena *a, str_t name, struct deadline until,
                      struct dns_addresses *out) RC_CHECKED;

struct dns_mx_host {
    uint16_t preference;
    str_t name;
};

struct dns_mx {
    struct dns_status status;
    bool null_mx;  /* RFC 7505: takes no mail; count is 0 */
    bool implicit; /* no MX: the domain itself, RFC 5321 5.1 */
    size_t count;
    struct dns_mx_host *host; /* by preference, equal ones shuffled */
};

/* RC_NOT_FOUND only for a domain that does not exist; whether an implicit MX has an
 * address is seen by asking for it. */
enum rc dns_mx(struct dns *d, struct arena *a, str_t domain, struct deadline until,
               struct dns_mx *out) RC_CHECKED;

/* The same of a question for DNS_MX, once answered was called. */
enum rc dns_answer_mx(const struct dns_question *q, struct arena *a,
                      struct dns_mx *out) RC_CHECKED;

struct dns_records {
    struct dns_status status;
    size_t count;
    str_t *data;
};

/* Raw rdata of any type (DNSKEY 48, ...); at most DNS_RECORDS_MAX records. */
enum rc dns_raw(struct dns *d, struct arena *a, str_t name, int type,
                struct deadline until, struct dns_records *out) RC_CHECKED;
/* The same of a question, once answered was called. */
enum rc dns_answer_raw(const struct dns_question *q, struct arena *a,
                       struct dns_records *out) RC_CHECKED;
