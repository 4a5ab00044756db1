/* checks.h - what a message must pass, as a table of small functions.
 *
 * A check that refuses writes the reply.  It may change the transaction (a bounce address
 * that cannot be trusted is dropped, for instance) and the recipient, and adds what it
 * found out to the verdict.
 * Thread: that of the row's place, see checks.def; one at a time.
 */
#pragma once

#include "base/str.h"
#include "ingress.h"
#include "mail/address.h"
#include "mail/encrypted.h"
#include "svc/policy.h"
#include "transaction.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct buf;
struct db;
struct judgement;
struct options;
struct session;
struct transaction;

enum checks_phase {
    CHECKS_SENDER = 1 << 0,
    CHECKS_RECIPIENT = 1 << 1,
    CHECKS_MESSAGE = 1 << 2,
};

enum checks_place {
    CHECKS_LOOP = 1 << 0,
    CHECKS_FIRST = 1 << 1,
    CHECKS_JUDGE = 1 << 2,
    CHECKS_WORKER = 1 << 3,
    CHECKS_LAST = 1 << 4,
};

/* The port that a message came to says where it goes. */
enum checks_direction {
    CHECKS_INCOMING = PORT_MX,
    CHECKS_OUTGOING = PORT_SUBMISSION,
    CHECKS_BOTH = PORT_SMTP,
};

/* What comes by LMTP passes the same checks as what comes from other servers. */
static inline enum checks_direction checks_direction_of(enum port_kind kind)
{
    return kind == PORT_SUBMISSION ? CHECKS_OUTGOING : CHECKS_INCOMING;
}

enum check_result {
    CHECK_REFUSE, /* the reply is written */
    CHECK_PASS,
    CHECK_WAIT, /* in a judge: it has asked, or others have; it is called again */
};

enum {
#define CHECK_ROW(name, phase, place, directions, when) CHECKS_ROW_##name,
#include "checks.def"
#undef CHECK_ROW
    CHECKS_COUNT
};

struct check {
    const struct ingress *ingress;
    enum checks_direction direction;
    int64_t account;       /* outgoing: who is logged in */
    str_t account_address; /* outgoing */
    uint64_t network;      /* of the client; 0: a private address, see cidr_client_key */
    bool over_https;       /* the registrar hands it in, for a client of its own */
    struct transaction *mail;
    struct address recipient;           /* RECIPIENT */
    struct transaction_recipient about; /* RECIPIENT: what was found out about it */
    struct db *db;                      /* WORKER */
    struct judgement *judgement;        /* JUDGE, LAST: where to ask */
    void **state;  /* JUDGE, LAST: its own; NULL in it at the first call */
    str_t message; /* MESSAGE */
    bool is_read;  /* it and the next are known */
    struct encrypted_result judged; /* MESSAGE */
    str_t *others;                  /* WORKER: whom of us it is for, but the sender; */
    size_t other_count;             /* 0: also if it is for somebody elsewhere */
    bool reaches_none;              /* of the others */
    str_t blocked;     /* WORKER: one of them, if it is for blocked domains only */
    bool leaves;       /* WORKER: it is for another server, too */
    bool in_clear;     /* incoming: over SMTP without TLS */
    int64_t now_us;    /* monotonic */
    bool is_last_word; /* set: the connection ends with the reply */
    struct buf *out;
    size_t row; /* which check runs, and its name: checks_run's */
    const char *row_name;
    /* checks.c's: of a message whose checks run in two places, or again after a wait. */
    bool passed[CHECKS_COUNT];
    size_t refused; /* the row after the one that refuses unless one before it does; 0 */
    str_t refusal;  /* its reply */
    void *states[CHECKS_COUNT];
};

#define CHECK_ROW(name, phase, place, directions, when)                                  \
    enum check_result check_##name(struct check *c);
#include "checks.def"
#undef CHECK_ROW

/* What a session's checks know about it; the caller adds what its phase has. */
struct check checks_of(const struct session *s, struct buf *out);

/* Of the whole message: made by the first thread that has it, in the message's arena, the
 * same from then on.  NULL: there was no room for the message, the reply is written. */
struct check *checks_of_message(struct session *s, struct buf *out);

/* Does that one look at what comes this way? */
bool checks_has(const struct options *o, unsigned row, enum checks_direction direction);

/* For a check that needs what another one found: has that one passed, or is it not on? */
bool checks_is_over(const struct check *c, unsigned row);

/* Is there one in a judge for messages that come one of these ways? */
bool checks_need_judge(const struct options *o, unsigned directions);

/* Run the phase's checks of these places in order, but those that have passed.
 * CHECK_WAIT: nobody refused, some wait. */
enum check_result checks_run(struct check *c, enum checks_phase phase, unsigned places);

/* For a check that found something wrong: what the policy has follow.  code, enhanced
 * (may be NULL) and text are its own words, for a reply that has no others; it returns
 * what this returns. */
enum check_result check_conclude(struct check *c, const struct policy *p, int code,
                                 const char *enhanced, const char *text);
/* For one that cannot know it now.  worst: what would follow at most if it could; where
 * that is nothing, nothing follows now. */
enum check_result check_conclude_later(struct check *c, enum policy_action worst,
                                       const struct policy *p, int code,
                                       const char *enhanced, const char *text);
void check_conclude_register_metrics(void);

/* For message_change.c: another message is in the spool, checks_of_message reads it, and
 * it has to pass the checks of the first thread again. */
void checks_message_changed(struct check *c);

void checks_register_metrics(void);
