/* outcome.c - from what a host answered to what becomes of each recipient. */
#include "outcome.h"

#include "base/arena.h"

enum { LAST_TRY_S = 60 }; /* before the end of the lifetime */

static bool is_done(const struct smtp_client_rcpt *r)
{
    return r->answer.code / 100 == 2;
}

static bool is_failed(const struct smtp_client_rcpt *r)
{
    return r->answer.code / 100 == 5;
}

/* A 5xx with a status of another class would contradict itself in the bounce. */
static str_t failure_status(const struct smtp_client_rcpt *r)
{
    return str_starts(r->answer.status, S("5.")) ? r->answer.status : S("5.0.0");
}

static struct store_remote_failure failure(struct arena *a, const struct outcome_facts *f,
                                           const struct smtp_client_rcpt *r)
{
    struct store_remote_failure x = {
        .recipient = r->address,
        .status = failure_status(r),
        .diagnostic = r->answer.text,
        .remote_mta = f->host,
    };

    if (!is_failed(r)) {
        x.status = S("5.4.7");
        x.diagnostic =
            str_of(arena_printf(a, "554 5.4.7 Delivery time expired; last answer: %.*s",
                                STR_ARG(r->answer.text)));
    }
    return x;
}

/* The last try is right before the end of the lifetime; at the end itself the dispatcher
 * returns what nobody has begun to send. */
static int64_t retry_after_s(const struct outcome_facts *f)
{
    int64_t wait = (backoff_ms(f->backoff, f->row->attempts, f->random) + 999) / 1000;
    int64_t left = f->row->expires_unix - f->now_unix;
    int64_t most = left > LAST_TRY_S ? left - LAST_TRY_S : left;

    return wait > most && left > 0 ? most : wait;
}

struct outcome_counts outcome_sort(struct arena *a, const struct outcome_facts *f,
                                   struct store_remote_outcome *out)
{
    struct store_remote_failure *failures =
        arena_array(a, f->rcpt_count, sizeof(*failures));
    str_t *retry = arena_array(a, f->rcpt_count, sizeof(*retry));
    bool expired = f->now_unix >= f->row->expires_unix;
    struct outcome_counts n = { 0 };

    *out = (struct store_remote_outcome){ .retry = retry, .failures = failures };
    for (size_t i = 0; i < f->rcpt_count; i++) {
        const struct smtp_client_rcpt *r = &f->rcpt[i];

        if (is_done(r)) {
            n.done++;
        } else if (is_failed(r) || expired) {
            failures[n.failed++] = failure(a, f, r);
        } else {
            retry[n.retry++] = r->address;
            out->last_error = r->answer.text;
        }
    }
    out->retry_count = n.retry;
    out->failure_count = n.failed;
    out->retry_after_s = retry_after_s(f);
    return n;
}
