/* mxdeliv_carry.h - one request to /mxdeliv as one transaction with smtp-ingress.
 *
 * The client is named by PROXY protocol, TLS included, and the body goes on as it comes:
 * it is the wire form of a message (chatmail spec 8.3, corrected).  The final dot is
 * written when the body was whole, so who hangs up before has sent nothing.  Until a body
 * is begun a replica that is not there, or is about to go, is followed by the next.
 * Blocking and sequential, within one deadline.  Thread: a thread of the pool.
 */
#pragma once

#include "base/clock.h"
#include "mxdeliv_form.h"
#include "net/addr.h"

#include <stdint.h>

struct arena;
struct http_stream;
struct replicas;

struct mxdeliv_carry {
    struct mxdeliv_form form;
    struct addr client;
    uint64_t body_bytes;      /* as announced; 0: not known */
    struct http_stream *body; /* the caller's */
    struct replicas *ingress;
    struct deadline until;
};

struct mxdeliv_answer {
    int status; /* HTTP's; 0: the client is gone, nobody is to be answered */
    str_t text; /* what SMTP said, or would have said */
};

/* 200: the message is durable.  503: nobody could take it now; whether it was taken is
 * not known if smtp-ingress went at the very end, as always with SMTP. */
struct mxdeliv_answer mxdeliv_carry(struct arena *a, const struct mxdeliv_carry *c);
