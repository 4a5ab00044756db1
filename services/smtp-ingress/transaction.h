/* transaction.h - one message between MAIL and the reply to its end of data.
 *
 * Everything lives in its arena and goes with it in one place, whatever ended it.
 * Thread: the session's I/O thread, or the worker or judge that has the session; while
 * its checks wait, none.
 */
#pragma once

#include "base/str.h"
#include "smtp/smtp_data.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct check;
struct dkim_watch;
struct judgement;
struct spool;

enum transaction_rate { RATE_UNASKED, RATE_WITHIN, RATE_OVER };

struct transaction {
    struct arena *arena;
    str_t sender;               /* as MAIL gave it; empty: the null sender */
    str_t return_path;          /* who gets a bounce: the sender, or nobody */
    bool utf8;                  /* SMTPUTF8 was given */
    bool eight_bit;             /* BODY=8BITMIME was given */
    bool quarantine;            /* a check found something: into Junk, and nowhere else */
    bool clear_text;            /* every recipient so far takes unencrypted mail */
    uint64_t declared_bytes;    /* SIZE=; 0: unknown */
    enum transaction_rate rate; /* counted once, whatever the number of recipients */
    int64_t retry_ms;           /* with RATE_OVER */
    str_t *recipients;
    size_t recipient_count;
    size_t recipient_room;
    str_t pending_recipient; /* is being looked up */
    struct spool *spool;     /* from DATA on */
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

void transaction_add_recipient(struct transaction *t, str_t address); /* copies */
