/* io_poll.c - asks the store for idle sessions what no hint has told. */
#include "io_poll.h"

#include "gateway.h"
#include "io.h"
#include "session.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/store_ids.h"
#include "store/store_mailbox.h"
#include "svc/options.h"
#include "work/worker_pool.h"

#include <stdlib.h>

enum {
    QUERY_MAX = 4096, /* mailboxes */
    MS_PER_SECOND = 1000,
};

/* Some mailboxes on their way to a worker and back. */
struct slice {
    struct job job;
    struct loop_post done;
    struct io *io;
    enum rc rc; /* not RC_OK: marks are missing */
    size_t wanted, found;
    struct store_mailbox_mark *marks;
    int64_t ids[];
};

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int by_id(const void *a, const void *b)
{
    const struct store_mailbox_mark *x = a, *y = b;

    return by_number(&x->id, &y->id);
}

/* Those that idle there now; they may have gone elsewhere meanwhile. */
static void tell_sessions(struct io *io, int64_t mailbox,
                          const struct store_mailbox_mark *mark)
{
    struct session *next;

    for (struct session *s =
             map_get(io->accounts, (uint64_t)store_ids_account_of(mailbox));
         s != NULL; s = next) {
        next = session_links(s)->peer;
        if (session_poll_wants(s, 0) == mailbox)
            session_polled(s, mark);
    }
}

/* A mailbox that was asked for and has no mark is gone. */
static void tell_all(struct slice *p)
{
    qsort(p->ids, p->wanted, sizeof p->ids[0], by_number);
    if (p->found > 1)
        qsort(p->marks, p->found, sizeof p->marks[0], by_id);
    for (size_t i = 0; i < p->wanted; i++) {
        struct store_mailbox_mark key = { .id = p->ids[i] }, *mark = NULL;

        if (i > 0 && p->ids[i] == p->ids[i - 1])
            continue;
        if (p->found > 0)
            mark = bsearch(&key, p->marks, p->found, sizeof key, by_id);
        if (mark != NULL || p->rc == RC_OK)
            tell_sessions(p->io, p->ids[i], mark);
    }
}

static void next_slice(struct io *io);

static void come_back(struct loop_post *post)
{
    struct slice *p = (struct slice *)((char *)post - offsetof(struct slice, done));
    struct io *io = p->io;

    tell_all(p);
    mem_free(p->marks);
    mem_free(p);
    io->poll.busy = false;
    if (io->poll.hurry)
        next_slice(io);
}

static void run(struct job *job, struct worker *w)
{
    struct slice *p = (struct slice *)((char *)job - offsetof(struct slice, job));
    struct store_mailbox_mark *marks;
    struct loop *loop = p->io->loop;

    for (size_t at = 0; at < p->wanted; at += QUERY_MAX) {
        size_t n = p->wanted - at < QUERY_MAX ? p->wanted - at : QUERY_MAX;
        size_t found;

        p->rc = store_mailbox_poll(w->arena, w->context, p->ids + at, n, &marks, &found);
        if (p->rc != RC_OK)
            break;
        p->marks = mem_realloc(p->marks, (p->found + found + 1) * sizeof p->marks[0]);
        for (size_t i = 0; i < found; i++)
            p->marks[p->found++] = marks[i];
    }
    loop_post(loop, &p->done);
}

/* For up to n sessions from *from on, which becomes the one behind them.  False: the
 * workers have too much to do; *from is unchanged, and who is fresh stays so. */
static bool ask(struct io *io, struct session **from, size_t n, int64_t fresh_before_ms)
{
    struct slice *p = mem_alloc(sizeof *p + n * sizeof p->ids[0]);
    struct session *s = *from;
    bool refused = false;

    for (size_t i = 0; i < n && s != NULL; i++, s = session_links(s)->next) {
        int64_t id = session_poll_wants(s, fresh_before_ms);

        if (id != 0)
            p->ids[p->wanted++] = id;
    }
    p->job.run = run;
    p->done.run = come_back;
    p->io = io;
    if (p->wanted > 0)
        refused = worker_pool_submit(io->gateway->commands, &p->job) != RC_OK;
    io->poll.busy = p->wanted > 0 && !refused;
    if (!io->poll.busy)
        mem_free(p);
    if (refused)
        return false;
    for (struct session *asked = *from; asked != s; asked = session_links(asked)->next)
        session_poll_asked(asked, fresh_before_ms);
    *from = s;
    return true;
}

static size_t count_sessions(const struct io *io)
{
    size_t n = 0;

    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        n++;
    return n;
}

static void begin_round(struct io *io)
{
    size_t n = count_sessions(io);

    io->poll.next = io->sessions;
    io->poll.slice = (n + IO_POLL_SLICES - 1) / IO_POLL_SLICES;
    if (io->poll.slice < IO_POLL_SLICE_MIN)
        io->poll.slice = IO_POLL_SLICE_MIN;
}

/* Of a round in a hurry the next slice that has somebody to ask for.  What is refused is
 * tried again by the timer. */
static void next_slice(struct io *io)
{
    while (io->poll.next != NULL && ask(io, &io->poll.next, io->poll.slice, 0))
        if (io->poll.busy || !io->poll.hurry)
            break;
    io->poll.hurry &= io->poll.next != NULL;
}

static void on_slice_timer(struct loop_timer *t)
{
    struct io *io = (struct io *)((char *)t - offsetof(struct io, poll.slice_timer));
    bool due = ++io->poll.ticks >= IO_POLL_SLICES;

    if (due && io->poll.next == NULL) {
        io->poll.ticks = 0;
        begin_round(io);
    }
    if (!io->poll.busy)
        next_slice(io);
}

static void on_settle_timer(struct loop_timer *t)
{
    struct io *io = (struct io *)((char *)t - offsetof(struct io, poll.settle_timer));
    struct session *first = io->sessions;
    bool fresh = false;

    if (!io->poll.busy)
        (void)ask(io, &first, count_sessions(io), clock_monotonic_ms() - IO_SETTLE_MS);
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        fresh |= session_is_fresh(s);
    if (fresh)
        loop_timer_start(t, IO_SETTLE_MS, 0);
    else
        loop_timer_stop(t);
}

void io_poll_start(struct io *io)
{
    int64_t round_ms = io->gateway->options->mailbox_poll_seconds * MS_PER_SECOND;

    loop_timer_init(io->loop, &io->poll.slice_timer, on_slice_timer);
    loop_timer_init(io->loop, &io->poll.settle_timer, on_settle_timer);
    loop_timer_start(&io->poll.slice_timer, round_ms / IO_POLL_SLICES,
                     round_ms / IO_POLL_SLICES);
}

void io_poll_close(struct io *io)
{
    loop_timer_close(&io->poll.slice_timer, NULL);
    loop_timer_close(&io->poll.settle_timer, NULL);
}

void io_poll_settle(struct io *io)
{
    if (!uv_is_active((uv_handle_t *)&io->poll.settle_timer.uv))
        loop_timer_start(&io->poll.settle_timer, IO_SETTLE_MS, 0);
}

void io_poll_all(struct io *io)
{
    begin_round(io);
    io->poll.hurry = true;
    if (!io->poll.busy)
        next_slice(io);
}

void io_poll_forget(struct io *io, const struct session *s)
{
    if (io->poll.next == s)
        io->poll.next = session_links(io->poll.next)->next;
}
