/* rc.h - the expected outcomes of a call, and what each means to every protocol.
 *
 * One enum for the whole product; a module never invents its own codes.  The table
 * behind rc_info gives each code its log name and its SMTP, IMAP and HTTP answer.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

enum rc {
    RC_OK,
    RC_NOT_FOUND, /* no such thing */
    RC_EXISTS,    /* it is there already */
    RC_DENIED,    /* policy or credentials say no */
    RC_INVALID,   /* the input is malformed */
    RC_LIMIT,     /* a size, count or quota would be exceeded */
    RC_CONFLICT,  /* somebody else changed it first */
    RC_RETRY,     /* may work later without changing the request */
    RC_TIMEOUT,   /* the deadline passed */
    RC_CLOSED,    /* the peer or the service is going away */
    RC_COUNT
};

struct rc_info {
    const char *name;          /* in logs and metric labels */
    bool retryable;            /* the same request may succeed later */
    int smtp_code;             /* RFC 5321 4.2 */
    const char *smtp_enhanced; /* RFC 3463 */
    const char *smtp_text;
    const char *imap_code; /* response code without brackets, RFC 5530; "" for none */
    const char *imap_text;
    int http_status; /* RFC 9110 15 */
};

#define RC_CHECKED __attribute__((warn_unused_result))

/* Never NULL; aborts on a value outside the enum. */
const struct rc_info *rc_info(enum rc rc);
const char *rc_name(enum rc rc);
