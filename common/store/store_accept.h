/* store_accept.h - make accepted mail durable: bodies and queue rows, one transaction.
 *
 * RC_OK is the permission to say 250.  It is given only for a commit that the server
 * confirmed, or that was found afterwards by the random token stored beside the body.
 * RC_RETRY also while the clock by which we make ids and PostgreSQL's differ by minutes.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

struct store_accept {
    str_t head, body; /* stored one after the other as one message */
    str_t sender;     /* empty: the null sender */
    const str_t *recipients;
    size_t recipient_count; /* at least 1 */
    str_t envelope;         /* a JSON object; empty: {} */
    int64_t idate_unix;     /* 0: now */
    int64_t body_id;        /* set on RC_OK */
    enum rc rc;             /* the outcome for this one */
    char sqlstate[6];       /* not RC_OK: PostgreSQL's word, for the log */
    bool unknown; /* not RC_OK, and yet it may have been made durable: say nothing */
};

enum { STORE_ACCEPT_MAX = 64 };

/* All n in one transaction and one round trip.  When the server refuses the batch for
 * its content, each is tried alone, so that one cannot spoil the others; look at m[].rc.
 * The result is RC_OK when all are.  Takes at most about wait_ms beyond one flush when
 * the connection is lost on the way. */
enum rc store_accept(struct db *db, struct store_accept *m, size_t n,
                     int wait_ms) RC_CHECKED;
