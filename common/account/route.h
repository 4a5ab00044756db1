/* route.h - where each recipient's mail goes: a mailbox here, another host, or back.
 *
 * How a name becomes an account, for whoever delivers and for whoever says at once that
 * nobody can be reached.  An alias would be one more kind of route.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stddef.h>

struct arena;

enum route_kind {
    ROUTE_LOCAL,   /* address: the account's, if it exists */
    ROUTE_REMOTE,  /* address and domain: for the foreign host */
    ROUTE_REFUSED, /* no address, or one that no other host can be given */
};

struct route {
    enum route_kind kind;
    str_t recipient; /* as the sender wrote it */
    str_t address;   /* without needless quotes; local: lower case and without +tag */
    str_t domain;    /* remote: lower case */
};

/* mail_domain: lower case; an address in brackets for a server without a name. */
void route_find(struct arena *a, str_t mail_domain, str_t recipient, struct route *out);

/* Routes of all recipients of a message without duplicates (two spellings of one local
 * mailbox are one), ordered by kind and domain, so that those of one destination stand
 * together.  *out has room for all; returns how many there are. */
size_t route_all(struct arena *a, str_t mail_domain, const str_t *recipients, size_t n,
                 struct route **out);
