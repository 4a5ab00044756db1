/* seen.c - a list of accounts a day, which ticks work off in batches.
 *
 * The list is copied at once, so that the lock for hints is held for a moment.  Whoever
 * leaves meanwhile was there today all the same.
 */
#include "seen.h"

#include "hints.h"

#include "base/mem.h"
#include "store/store_account.h"
#include "work/worker_pool.h"

#include <stdatomic.h>
#include <stddef.h>

enum {
    DAY_SECONDS = 86400,
    LATE_SECONDS = 600, /* PostgreSQL's clock may be behind, and the day is its own */
    BATCH = 500,
};

struct seen {
    struct job job;
    struct hints *hints;
    struct worker_pool *workers;
    int64_t day;       /* that was begun last */
    int64_t *accounts; /* to be noted: those from `at` on */
    size_t count, at;
    atomic_bool working; /* the job is away, and the list is its own */
};

static int64_t day_of(int64_t now_unix)
{
    return (now_unix - LATE_SECONDS) / DAY_SECONDS;
}

struct seen *seen_new(struct hints *hints, struct worker_pool *workers, int64_t now_unix)
{
    struct seen *s = mem_alloc(sizeof *s);

    s->hints = hints;
    s->workers = workers;
    s->day = day_of(now_unix);
    return s;
}

void seen_free(struct seen **s)
{
    if (*s == NULL)
        return;
    mem_free((*s)->accounts);
    mem_free(*s);
    *s = NULL;
}

/* What fails is tried again with the next tick. */
static void note_batch(struct job *job, struct worker *w)
{
    struct seen *s = (struct seen *)((char *)job - offsetof(struct seen, job));
    size_t n = s->count - s->at < BATCH ? s->count - s->at : BATCH;

    if (store_account_seen_all(w->context, s->accounts + s->at, n) == RC_OK)
        s->at += n;
    atomic_store(&s->working, false);
}

static void begin_day(struct seen *s, int64_t day)
{
    mem_free(s->accounts);
    s->accounts = hints_accounts(s->hints, &s->count);
    s->at = 0;
    s->day = day;
}

void seen_tick(struct seen *s, int64_t now_unix)
{
    int64_t day = day_of(now_unix);

    if (atomic_load(&s->working))
        return;
    if (s->at == s->count && day != s->day)
        begin_day(s, day);
    if (s->at == s->count)
        return;
    s->job.run = note_batch;
    atomic_store(&s->working, true);
    if (worker_pool_submit(s->workers, &s->job) != RC_OK)
        atomic_store(&s->working, false);
}
