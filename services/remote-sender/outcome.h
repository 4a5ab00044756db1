/* outcome.h - from what a host answered to what becomes of each recipient.
 *
 * 2xx: done.  5xx: failed, a bounce follows.  Everything else waits for another try,
 * until the message is too old; then it has failed with the last reason.
 * Pure: clock and chance are brought.  Thread: any.
 */
#pragma once

#include "smtp_client.h"
#include "store/store_remote.h"
#include "work/backoff.h"

struct outcome_facts {
    const struct store_remote_row *row;
    const struct smtp_client_rcpt *rcpt;
    size_t rcpt_count;
    str_t host; /* who answered; empty: nobody was reached */
    const struct backoff *backoff;
    int64_t now_unix;
    uint64_t random;
};

struct outcome_counts {
    size_t done, failed, retry;
};

/* The parts of *out live in the arena. */
struct outcome_counts outcome_sort(struct arena *a, const struct outcome_facts *f,
                                   struct store_remote_outcome *out);
