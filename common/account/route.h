/* route.h - where each recipient's mail goes: a mailbox here, another host, or back.
 *
 * How a name becomes an account, for whoever delivers and for whoever says at once that
 * nobody can be reached.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stddef.h>

struct arena;
struct domains;

enum route_kind {
    ROUTE_LOCAL,   /* address: the account's, if it exists */
    ROUTE_REMOTE,  /* address and domain: for the foreign host */
    ROUTE_REFUSED, /* no address, or one that no other host can be given */
};

struct route {
    enum route_kind kind;
    str_t recipient; /* as the sender wrote it */
    str_t address;   /* without needless quotes; local: the account's, without +tag */
    str_t domain;    /* remote: lower case */
};

struct route_rules {
    const struct domains *domains;
    str_t delimiters; /* each ends a name and begins a tag; empty: there are no tags */
};

void route_find(struct arena *a, const struct route_rules *rules, str_t recipient,
                struct route *out);

/* Routes of all recipients of a message without duplicates (two spellings of one local
 * mailbox are one), ordered by kind and domain, so that those of one destination stand
 * together.  *out has room for all; returns how many there are. */
size_t route_all(struct arena *a, const struct route_rules *rules,
                 const str_t *recipients, size_t n, struct route **out);
