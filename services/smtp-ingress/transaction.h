/* transaction.h - one message between MAIL and the reply to its end of data.
 *
 * Everything lives in its arena and goes with it in one place, whatever ended it.
 * Thread: the session's I/O thread, or the worker or judge that has the session; while
 * its checks wait, none.
 */
#pragma once

#include "base/str.h"
#include "mail/envelope.h"
#include "net/traffic.h"
#include "smtp/smtp_data.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct check;
struct dkim_watch;
struct judgement;
struct spool;

enum { TRANSACTION_TARGETS_MAX = 10000 }; /* of all aliases of a message */

enum transaction_rate { RATE_UNASKED, RATE_WITHIN, RATE_OVER };

/* What is known about one recipient besides the address; its texts live as long as the
 * transaction. */
struct transaction_recipient {
    bool takes_clear_text;
    unsigned notify;      /* enum envelope_notify */
    str_t orcpt;          /* as of an envelope_recipient */
    const str_t *targets; /* who gets it instead, if the address is an alias */
    size_t target_count;
    str_t
        refusal; /* over LMTP: a reply of its own to the message, which it does not get */
};

struct transaction {
    struct arena *arena;
    str_t sender;               /* as MAIL gave it; empty: the null sender */
    str_t return_path;          /* who gets a bounce: the sender, or nobody */
    bool return_path_is_set;    /* by a milter, which has the last word on it */
    bool utf8;                  /* SMTPUTF8 was given */
    bool eight_bit;             /* BODY=8BITMIME was given */
    bool quarantine;            /* a check found something: into Junk, and nowhere else */
    bool is_forwarded;          /* an alias leads elsewhere */
    bool clear_text;            /* every recipient so far takes unencrypted mail */
    uint64_t declared_bytes;    /* SIZE=; 0: unknown */
    enum envelope_ret ret;      /* RET= */
    bool requiretls;            /* REQUIRETLS was given */
    str_t envid;                /* ENVID=, decoded */
    enum transaction_rate rate; /* counted once, whatever the number of recipients */
    int64_t retry_ms;           /* with RATE_OVER */
    str_t *recipients;
    struct transaction_recipient *about; /* of each, at the same place */
    size_t recipient_count;
    size_t target_count;   /* of all aliases; 0: there is none among them */
    size_t envelope_bytes; /* of what the envelope says about them */
    size_t unknown_count;  /* of them, who get a bounce and not the message */
    size_t refused_count;  /* of them, with a reply of their own */
    bool answers_each;     /* LMTP: each recipient gets a reply to the message */
    size_t recipient_room;
    str_t pending_recipient; /* is being looked up */
    struct transaction_recipient pending;
    struct traffic_pass pass;
    uint64_t owner;         /* whose part of the memory for large messages it takes */
    struct spool *spool;    /* from DATA on */
    struct spool *received; /* what came, once a change stands in its place: what was
                               found out about it points there */
    struct smtp_data data;
    smtp_data_sink_fn sink; /* takes its bytes while they come */
    void *sink_context;
    struct dkim_watch *dkim;     /* NULL: signatures are not looked at */
    struct check *check;         /* from its end on */
    struct judgement *judgement; /* NULL: nobody has to judge it */
    struct verdict verdict;
    str_t queue_id; /* what we call it in replies and logs */
};

struct transaction *transaction_new(void);
void transaction_free(struct transaction **t);

/* Another message in the place of the one that is in the spool. */
void transaction_put_spool(struct transaction *t, struct spool *changed);

/* What the message's envelope says about them, into e. */
void transaction_describe(struct transaction *t, struct envelope *e);

/* Copies the address.  What is known besides, all zero, may be filled in until the next
 * one is added. */
struct transaction_recipient *transaction_add_recipient(struct transaction *t,
                                                        str_t address);

/* The index-th; those behind it move up. */
void transaction_drop_recipient(struct transaction *t, size_t index);

/* Copies of who they are, to be put back. */
struct transaction_recipients {
    str_t *recipients;
    struct transaction_recipient *about;
    size_t recipient_count, target_count;
};
struct transaction_recipients transaction_keep_recipients(const struct transaction *t);
void transaction_put_back_recipients(struct transaction *t,
                                     const struct transaction_recipients *kept);

/* Who gets the message if some have a reply of their own, or are aliases. */
str_t *transaction_accepted(struct transaction *t, size_t *count);

/* Where a reply to the message stands in out, from mark to its end: the same, or their
 * own, for each recipient.  RFC 2033 4.2. */
void transaction_answer_each(const struct transaction *t, struct buf *out, size_t mark);
