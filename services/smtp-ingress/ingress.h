/* ingress.h - what all sessions of the process share.
 *
 * Made by main.c before the first connection (what judges need: before the first to a
 * port that is judged) and unchanged until the last one is gone; what is behind the
 * pointers has its own locks.
 */
#pragma once

#include "account/expand.h"
#include "account/route.h"
#include "base/str.h"
#include "mail/address.h"
#include "net/listener.h"
#include "pace.h"
#include "net/spool.h"
#include "svc/options.h"

#include <stdatomic.h>
#include <stdbool.h>

struct accept;
struct bus;
struct cidr_list;
struct dkim_keys;
struct dns;
struct door;
struct federation_book;
struct judge;
struct login;
struct options;
struct programs;
struct rate;
struct replace_sender;
struct sender_book;
struct tls_context;
struct traffic;
struct worker_pool;

/* Bits, so that a command's row can name several. */
enum port_kind {
    PORT_MX = 1 << 0,         /* from other servers */
    PORT_SUBMISSION = 1 << 1, /* from our accounts */
    PORT_LMTP = 1 << 2,       /* from the operator's own servers (RFC 2033) */
    PORT_SMTP = PORT_MX | PORT_SUBMISSION,
    PORT_ANY = PORT_SMTP | PORT_LMTP,
};

struct port {
    struct ingress *ingress;
    enum port_kind kind;
    struct tls_context *tls; /* for STARTTLS, or from the first byte; NULL: none */
    bool clear;              /* its commands may come without TLS */
    const struct cidr_list *admitted; /* who may come at all; NULL: everybody */
    struct door *door;
    struct pace_limits pace;
    struct spool_room spool; /* strangers cannot take what accounts need */
    struct listener_options listener;
    bool is_judged;    /* messages go to a judge before they are stored */
    bool watches_dkim; /* what its check needs is taken while a message arrives */
    bool over_https;   /* other servers' messages that the registrar hands in */
};

struct ingress {
    const struct options *options;
    struct route_rules route; /* with our domains */
    char name[OPTIONS_NAME_BYTES];
    str_t host; /* what this server calls itself */
    struct expand_rules expand;
    struct replace_sender *replace_sender; /* NULL: senders stay as they are given */
    struct address postmaster, abuse;      /* the accounts; empty: there is none */
    struct bus *bus;
    struct worker_pool *commands; /* context: struct db */
    struct worker_pool *logins;   /* context: struct db */
    struct dns *dns;              /* NULL: no check asks it */
    struct judge *judge;          /* likewise */
    struct dkim_keys *dkim_keys;  /* likewise */
    struct programs *programs;    /* likewise */
    struct login *login;
    struct rate *rate;
    struct sender_book *senders;        /* NULL: no file says who may send */
    bool accepts_unknown;               /* recipients that do not exist get a bounce */
    struct federation_book *federation; /* NULL: tests, where nobody is blocked */
    struct traffic *traffic; /* NULL: mail from other servers has no such limits */
    struct rate *guesses;    /* recipients that do not exist, per client network */
    struct accept *accept;
    _Atomic bool draining;
};
