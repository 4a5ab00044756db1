/* deliver.h - carry out a claimed batch: mailboxes, other hosts, failures.
 *
 * Works in the caller's transaction, which also removed the queue rows.  Quota is
 * checked message by message in the order of arrival; a recipient that fails does not
 * disturb the others, and one whose mailbox is locked by somebody else, or for whom an
 * older message of the same sender is still under way, goes back to the queue for a
 * moment.
 * Thread: the db's.
 */
#pragma once

#include "account/route.h"
#include "base/rc.h"
#include "base/str.h"
#include "bounce.h"
#include "store/store_deliver.h"
#include "store/store_queue.h"
#include "svc/routes.h"

#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct keyring;

enum { DELIVER_RECIPIENTS_MAX = 16384 }; /* what one batch can lock */

struct deliver_rules {
    struct route_rules route; /* with our domains */
    str_t hostname;
    int64_t remote_lifetime_s;
    struct routes routes; /* whose mail leaves by another way than its MX records */
};

struct deliver_done {
    const struct store_deliver_box *box; /* tell those with added > 0 after the commit */
    size_t box_count;
    size_t copies;       /* in mailboxes */
    size_t over_quota;   /* recipients */
    size_t busy;         /* recipients that were put off because of their mailbox */
    size_t behind;       /* and because of an older message */
    size_t remote_rows;  /* for remote-sender */
    size_t signed_count; /* messages */
    size_t put_back;     /* rows, with the recipients that were put off */
    int64_t retry_ms;    /* until the first of those is due; 0: there are none */
    struct bounce *failed;
    size_t failed_count;
};

/* keys: NULL: nothing is signed.  All writes are queued or done when it returns RC_OK;
 * the caller queues the bounces and commits.  At most DELIVER_RECIPIENTS_MAX recipients
 * in all rows. */
enum rc deliver(struct arena *a, struct db *db, const struct deliver_rules *rules,
                const struct keyring *keys, const struct store_queue_row *rows, size_t n,
                struct deliver_done *out) RC_CHECKED;
