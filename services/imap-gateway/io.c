/* io.c - one loop of the gateway: its sessions and the hints for them. */
#include "io.h"

#include "gateway.h"
#include "session.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/listener.h"

#include <pthread.h>

enum {
    INBOX_MAX = 4096, /* hints; beyond, all sessions are polled instead */
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

/* -- accounts -- */

enum rc io_join(struct io *io, struct session *s, int64_t account, int64_t *subscribed_ms)
{
    enum rc rc = hints_join(io->gateway->hints, io->index, account, subscribed_ms);

    if (rc != RC_OK)
        return rc;
    session_links(s)->peer = map_get(io->accounts, (uint64_t)account);
    map_set(io->accounts, (uint64_t)account, s);
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
    io_poll_all(io);
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
    io_poll_start(io);
    loop_start(io->loop);
}

static void close_timers(void *arg)
{
    io_poll_close(arg);
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
