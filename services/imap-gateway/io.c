/* io.c - one loop of the gateway: its sessions, the hints for them, the poll of the
 * store. */
#include "io.h"

#include "gateway.h"
#include "session.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/listener.h"
#include "store/store_mailbox.h"
#include "svc/svc.h"
#include "work/worker_pool.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    INBOX_MAX = 4096, /* hints; beyond, all sessions are polled instead */
    POLL_MAX = 4096,  /* mailboxes in one query */
    MS_PER_SECOND = 1000,
};

/* Letters of other threads to the loop. */
struct io_inbox {
    struct loop_post post;
    struct io *io;
    pthread_mutex_t lock;
    bool posted, all, drain;
    size_t count;
    struct hints_news *news; /* INBOX_MAX, made when first needed */
};

struct poll {
    struct job job;
    struct loop_post done;
    struct io *io;
    enum rc rc; /* not RC_OK: marks are missing */
    size_t wanted, found;
    struct store_mailbox_mark *marks;
    int64_t ids[];
};

/* -- polling the store for idle sessions -- */

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

/* A mailbox that was asked for and has no mark is gone. */
static void tell_polled(const struct poll *p, struct session *s)
{
    struct store_mailbox_mark key = { .id = session_poll_wants(s, 0) };
    const struct store_mailbox_mark *mark = NULL;

    /* The session may have gone elsewhere meanwhile. */
    if (key.id == 0 ||
        bsearch(&key.id, p->ids, p->wanted, sizeof p->ids[0], by_number) == NULL)
        return;
    if (p->found > 0)
        mark = bsearch(&key, p->marks, p->found, sizeof key, by_id);
    if (mark != NULL || p->rc == RC_OK)
        session_polled(s, mark);
}

static void start_poll(struct io *io, int64_t fresh_before_ms);

static void poll_done(struct loop_post *post)
{
    struct poll *p = (struct poll *)((char *)post - offsetof(struct poll, done));
    struct io *io = p->io;

    qsort(p->ids, p->wanted, sizeof p->ids[0], by_number);
    if (p->found > 1)
        qsort(p->marks, p->found, sizeof p->marks[0], by_id);
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        tell_polled(p, s);
    mem_free(p->marks);
    mem_free(p);
    io->polling = false;
    if (io->poll_again) {
        io->poll_again = false;
        start_poll(io, 0);
    }
}

static void poll_run(struct job *job, struct worker *w)
{
    struct poll *p = (struct poll *)((char *)job - offsetof(struct poll, job));
    struct store_mailbox_mark *marks;
    struct loop *loop = p->io->loop;

    for (size_t at = 0; at < p->wanted; at += POLL_MAX) {
        size_t n = p->wanted - at < POLL_MAX ? p->wanted - at : POLL_MAX;
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

static void start_poll(struct io *io, int64_t fresh_before_ms)
{
    struct poll *p;
    size_t count = 0;

    if (io->polling) {
        io->poll_again = true;
        return;
    }
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        count++;
    p = mem_alloc(sizeof *p + count * sizeof p->ids[0]);
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next) {
        int64_t id = session_poll_wants(s, fresh_before_ms);

        if (id != 0)
            p->ids[p->wanted++] = id;
    }
    p->job.run = poll_run;
    p->done.run = poll_done;
    p->io = io;
    io->polling =
        p->wanted > 0 && worker_pool_submit(io->gateway->commands, &p->job) == RC_OK;
    if (!io->polling)
        mem_free(p);
}

static void on_poll_timer(struct loop_timer *t)
{
    start_poll((struct io *)((char *)t - offsetof(struct io, poll_timer)), 0);
}

static void on_settle_timer(struct loop_timer *t)
{
    struct io *io = (struct io *)((char *)t - offsetof(struct io, settle_timer));
    bool fresh = false;

    start_poll(io, clock_monotonic_ms() - IO_SETTLE_MS);
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        fresh |= session_is_fresh(s);
    if (fresh)
        loop_timer_start(t, IO_SETTLE_MS, 0);
    else
        loop_timer_stop(t);
}

/* -- accounts -- */

enum rc io_join(struct io *io, struct session *s, int64_t account)
{
    enum rc rc = hints_join(io->gateway->hints, io->index, account);

    if (rc != RC_OK)
        return rc;
    session_links(s)->peer = map_get(io->accounts, (uint64_t)account);
    map_set(io->accounts, (uint64_t)account, s);
    if (!uv_is_active((uv_handle_t *)&io->settle_timer.uv))
        loop_timer_start(&io->settle_timer, IO_SETTLE_MS, 0);
    return RC_OK;
}

void io_leave(struct io *io, struct session *s, int64_t account)
{
    struct session *first = map_get(io->accounts, (uint64_t)account);

    if (first == s) {
        map_set(io->accounts, (uint64_t)account, session_links(s)->peer);
    } else {
        while (session_links(first)->peer != s)
            first = session_links(first)->peer;
        session_links(first)->peer = session_links(s)->peer;
    }
    hints_leave(io->gateway->hints, io->index, account);
}

/* -- letters -- */

static void tell_account(struct io *io, const struct hints_news *news)
{
    struct session *next;

    for (struct session *s = map_get(io->accounts, (uint64_t)news->account); s != NULL;
         s = next) {
        next = session_links(s)->peer;
        session_news(s, news);
    }
}

static void drain(struct io *io)
{
    struct session *next;

    for (struct session *s = io->sessions; s != NULL; s = next) {
        next = session_links(s)->next;
        session_drain(s);
    }
}

/* Hints were lost: who idles is polled, the others look with their next command. */
static void poll_everybody(struct io *io)
{
    for (struct session *s = io->sessions; s != NULL; s = session_links(s)->next)
        session_missed(s);
    start_poll(io, 0);
}

static void open_inbox(struct loop_post *post)
{
    struct io_inbox *inbox =
        (struct io_inbox *)((char *)post - offsetof(struct io_inbox, post));
    struct io_inbox letters;

    pthread_mutex_lock(&inbox->lock);
    letters = *inbox;
    inbox->posted = inbox->all = inbox->drain = false;
    inbox->count = 0;
    inbox->news = NULL;
    pthread_mutex_unlock(&inbox->lock);
    for (size_t i = 0; i < letters.count; i++)
        tell_account(inbox->io, &letters.news[i]);
    if (letters.all)
        poll_everybody(inbox->io);
    if (letters.drain)
        drain(inbox->io);
    mem_free(letters.news);
}

static void put_news(struct io_inbox *inbox, const struct hints_news *news)
{
    if (inbox->count == INBOX_MAX) {
        inbox->all = true;
        return;
    }
    /* Mostly one hint at a time; a burst grows the list in steps. */
    if ((inbox->count & (inbox->count - 1)) == 0)
        inbox->news =
            mem_realloc(inbox->news, (inbox->count == 0 ? 1 : inbox->count * 2) *
                                         sizeof inbox->news[0]);
    inbox->news[inbox->count++] = *news;
}

static void post(struct io *io, const struct hints_news *news, bool all, bool drain_all)
{
    struct io_inbox *inbox = io->inbox;
    bool wake;

    pthread_mutex_lock(&inbox->lock);
    if (news != NULL)
        put_news(inbox, news);
    inbox->all |= all;
    inbox->drain |= drain_all;
    wake = !inbox->posted;
    inbox->posted = true;
    pthread_mutex_unlock(&inbox->lock);
    if (wake)
        loop_post(io->loop, &inbox->post);
}

void io_post(struct io *io, const struct hints_news *news)
{
    post(io, news, false, false);
}

void io_post_all(struct io *io)
{
    post(io, NULL, true, false);
}

void io_post_drain(struct io *io)
{
    post(io, NULL, false, true);
}

/* -- life -- */

struct io *io_new(struct gateway *gw, size_t index)
{
    struct io *io = mem_alloc(sizeof *io);

    io->gateway = gw;
    io->index = index;
    io->arena = arena_new();
    io->accounts = map_new();
    io->inbox = mem_alloc(sizeof *io->inbox);
    io->inbox->io = io;
    io->inbox->post.run = open_inbox;
    pthread_mutex_init(&io->inbox->lock, NULL);
    io->loop = loop_new("imap");
    return io;
}

void io_start(struct io *io)
{
    int64_t every_ms = io->gateway->options->mailbox_poll_seconds * MS_PER_SECOND;

    loop_timer_init(io->loop, &io->poll_timer, on_poll_timer);
    loop_timer_init(io->loop, &io->settle_timer, on_settle_timer);
    loop_timer_start(&io->poll_timer, every_ms, every_ms);
    loop_start(io->loop);
}

static void close_timers(void *arg)
{
    struct io *io = arg;

    loop_timer_close(&io->poll_timer, NULL);
    loop_timer_close(&io->settle_timer, NULL);
}

void io_close(struct io *io)
{
    for (size_t i = 0; i < IO_PORTS; i++)
        if (io->listeners[i] != NULL)
            listener_free(&io->listeners[i]);
}

void io_stop(struct io *io)
{
    loop_call(io->loop, close_timers, io);
    loop_stop(io->loop);
}

void io_free(struct io **io)
{
    if (*io == NULL)
        return;
    loop_free(&(*io)->loop);
    map_free(&(*io)->accounts);
    arena_free(&(*io)->arena);
    pthread_mutex_destroy(&(*io)->inbox->lock);
    mem_free((*io)->inbox->news);
    mem_free((*io)->inbox);
    mem_free(*io);
    *io = NULL;
}
