/* checks.h - what a message must pass, as a table of small functions.
 *
 * A check that refuses writes the reply and returns false.  It may change the transaction
 * (a bounce address that cannot be trusted is dropped, for instance) and the recipient.
 * Thread: that of the phase, see checks.def.
 */
#pragma once

#include "base/str.h"
#include "mail/address.h"
#include "mail/encrypted.h"

#include <stdbool.h>

struct arena;
struct buf;
struct db;
struct ingress;
struct session;
struct transaction;

enum checks_phase {
    CHECKS_SENDER = 1 << 0,
    CHECKS_RECIPIENT = 1 << 1,
    CHECKS_ACCOUNT = 1 << 2,
    CHECKS_MESSAGE = 1 << 3,
    CHECKS_ACCEPT = 1 << 4,
};

enum checks_direction {
    CHECKS_OUTGOING = 1 << 0,
    CHECKS_INCOMING = 1 << 1,
    CHECKS_BOTH = CHECKS_OUTGOING | CHECKS_INCOMING,
};

struct check {
    const struct ingress *ingress;
    enum checks_direction direction;
    int64_t account;       /* outgoing: who is logged in */
    str_t account_address; /* outgoing */
    struct transaction *mail;
    struct address recipient;       /* RECIPIENT, ACCOUNT */
    struct db *db;                  /* ACCOUNT, ACCEPT */
    str_t message;                  /* MESSAGE */
    struct encrypted_result judged; /* MESSAGE */
    str_t *others;                  /* ACCEPT: whom of us it is for, but the sender; */
    size_t other_count;             /* 0: also if it is for somebody elsewhere */
    bool reaches_none;              /* of the others */
    int64_t now_us;                 /* monotonic */
    bool is_last_word;              /* set: the connection ends with the reply */
    struct buf *out;
};

#define CHECK_ROW(name, phases, directions) bool check_##name(struct check *c);
#include "checks.def"
#undef CHECK_ROW

/* What a session's checks know about it; the caller adds what its phase has. */
struct check checks_of(const struct session *s, struct buf *out);

/* Run the phase's checks in order.  False: refused, the reply is written. */
bool checks_pass(struct check *c, enum checks_phase phase);

void checks_register_metrics(void);
