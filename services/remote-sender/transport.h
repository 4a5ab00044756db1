/* transport.h - the ways in which mail leaves: one interface, one file each.
 *
 * A row of the queue names its way (svc/routes.h), and svc/transports.def says which file
 * that is.  A delivery finds the hosts, asks tls_policy.h what TLS one must show,
 * connects, and hands the connection to its transport, which sends one message after
 * another over it.  Whoever adds a way adds a file transport_<name>.c and a row.
 *
 * Thread: the delivery's; a transport itself is immutable.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"
#include "base/str.h"
#include "mail_hosts.h"
#include "smtp_client.h"
#include "tls_policy.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct cargo;
struct desk;
struct metric;
struct stream;

/* Where mail of a destination goes. */
struct transport_way {
    const struct transport *transport;
    struct metric *opened; /* counts connections; NULL where there can be none */
    str_t domain;  /* whose mail it is; with a shared transport of the first message */
    str_t host;    /* of the target; empty without one */
    uint16_t port; /* of the target */
};

/* A connection to a host. */
struct transport_line {
    bool broken;             /* only close is left */
    bool takes_no_mail;      /* open failed, and will again */
    bool lacks_requiretls;   /* open failed for want of what REQUIRETLS demands */
    const char *failure;     /* why the last call failed; lives until the next */
    struct smtp_client smtp; /* for those who speak it */
};

/* How one message ended. */
enum transport_sent {
    TRANSPORT_OK,      /* each recipient has an answer */
    TRANSPORT_BROKEN,  /* the connection failed before the message's end */
    TRANSPORT_UNKNOWN, /* it failed after: the host may have the message */
    TRANSPORT_LOST,    /* the lease is lost */
    TRANSPORT_NO_BODY, /* the message has expired here */
    TRANSPORT_OUR_FAULT,
    TRANSPORT_STOPPING, /* this service is; the next one will send it */
};

struct transport {
    /* One connection carries mail for many domains: what one message breaks puts off no
     * other, unless each of four in a row does, or the host says 421.  A host that serves
     * nobody is a mistake that the operator will mend. */
    bool shared;

    /* Who takes the mail.  RC_DENIED: nobody, *why says so. */
    enum rc (*find)(struct arena *a, const struct desk *desk,
                    const struct transport_way *way, struct deadline until,
                    struct mail_hosts *out, struct mail_hosts_refusal *why);

    /* Over a fresh connection, until messages may go: nothing about one is written before
     * the policy is met.  Takes the stream in any case; end with close, also after an
     * error. */
    enum rc (*open)(struct transport_line *line, const struct desk *desk,
                    const struct tls_policy *policy, struct stream *stream,
                    struct deadline until);

    /* One message.  Recipients that were not served have no answer. */
    enum transport_sent (*send)(struct transport_line *line, struct arena *a,
                                struct cargo *cargo, struct smtp_client_mail *m);

    void (*close)(struct transport_line *line);
};

#define TRANSPORT(name, scheme) extern const struct transport transport_##name;
#include "svc/transports.def"
#undef TRANSPORT

/* Where a row of the queue goes; its texts are those of the arguments.  With a target
 * that this program does not know, nobody takes the mail for now: a newer one may. */
struct transport_way transport_way_of(str_t target, str_t domain);
