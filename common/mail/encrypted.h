/* encrypted.h - may this message pass a server that carries encrypted mail only?
 *
 * Pure.  The verdicts of chatmail spec 2.4 to 2.6 and 3.2.4, exactly; where we are
 * stricter is said in encrypted.c.  Linear time; memory for the header and for the
 * parts' list (mime.h), whatever the size of the message.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "mail/address.h"

#include <stddef.h>

struct arena;

enum encrypted_direction { ENCRYPTED_OUTGOING, ENCRYPTED_INCOMING };

enum encrypted_verdict {
    ENCRYPTED_NO,            /* 523, unless every recipient allows clear text */
    ENCRYPTED_YES,           /* OpenPGP/MIME */
    ENCRYPTED_SECUREJOIN,    /* the first, necessarily clear step of a SecureJoin */
    ENCRYPTED_SETUP_MESSAGE, /* outgoing: Autocrypt Setup Message to oneself */
    ENCRYPTED_BOUNCE,        /* incoming: a delivery report of another server */
};

struct encrypted_query {
    enum encrypted_direction direction;
    str_t message;           /* with CRLF line ends, without dot-stuffing */
    const str_t *recipients; /* of the envelope */
    size_t recipient_count;
};

struct encrypted_result {
    enum encrypted_verdict
        verdict;           /* ENCRYPTED_NO whenever one of the next is not RC_OK */
    enum rc header_rc;     /* header_check: RC_INVALID, RC_LIMIT */
    enum rc author_rc;     /* address_author: RC_NOT_FOUND, RC_CONFLICT, RC_INVALID */
    struct address author; /* of the From field; the caller compares it with
                              MAIL FROM (spec 2.4c, 3.2.3) */
};

void encrypted_judge(struct arena *a, const struct encrypted_query *q,
                     struct encrypted_result *out);

const char *encrypted_verdict_name(enum encrypted_verdict v); /* for logs and metrics */
