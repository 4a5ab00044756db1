/* listener.c - accepts in bursts, counts, and keeps the list of its conns. */
#include "net/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/conn_private.h"
#include "net/door.h"
#include "net/listen_socket.h"
#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64,
    RETRY_MS = 100, /* after running out of descriptors */
};

struct listener {
    struct listener_options options;
    struct loop *loop;
    uv_poll_t poll;
    struct loop_timer retry;
    struct conn *conns;    /* all, in any phase */
    struct door_exit exit; /* who of them must go */
    struct loop_post word; /* that somebody must */
    _Atomic bool word_sent;
    size_t handles;            /* libuv's of this file, and conns: loop thread only */
    _Atomic size_t open_count; /* sessions */
    uint16_t port;
    int fd;         /* -1: stopped */
    bool exhausted; /* said so already */
    pthread_mutex_t lock;
    pthread_cond_t gone_now;
    bool gone; /* under lock */
};

static void count(struct metric *m, int64_t n)
{
    if (m != NULL)
        metric_add(m, n);
}

static void say_busy(struct listener *l, int fd)
{
    count(l->options.refused_counter, 1);
    if (l->options.tls != NULL || l->options.busy_text == NULL ||
        l->options.proxy_protocol)
        return;
    send(fd, l->options.busy_text, strlen(l->options.busy_text), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
}

static void adopt(struct listener *l, int fd, const struct addr *peer)
{
    struct conn *c;

    if (l->options.proxy_protocol && !cidr_list_has(l->options.trusted_proxies, peer)) {
        count(l->options.refused_counter, 1);
        close(fd);
        return;
    }
    c = conn_new(l, &l->options, l->loop, fd, peer);
    if (c == NULL) {
        say_busy(l, fd);
        close(fd);
        return;
    }
    c->next = l->conns;
    if (l->conns != NULL)
        l->conns->prev = c;
    l->conns = c;
    l->handles++;
    if (l->options.door != NULL &&
        door_enter(l->options.door, &c->guest, &l->exit, clock_monotonic_ms()) != RC_OK) {
        say_busy(l, fd);
        conn_abort(c);
        return;
    }
    conn_begin(c);
}

/* Out of descriptors: the backlog keeps the callers; polling it would only spin. */
static void pause_accepting(struct listener *l)
{
    if (!l->exhausted)
        log_warn("listener.exhausted", "port=%u reason=\"%s\"", (unsigned)l->port,
                 strerror(errno));
    l->exhausted = true;
    uv_poll_stop(&l->poll);
    loop_timer_start(&l->retry, RETRY_MS, 0);
}

/* False when nobody (more) waits to be accepted. */
static bool accept_one(struct listener *l)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct addr peer;
    int fd = accept4(l->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        l->exhausted = false;
        if (l->options.path != NULL)
            adopt(l, fd, &(const struct addr){ 0 });
        else if (addr_from_sockaddr((struct sockaddr *)&sa, n, &peer))
            adopt(l, fd, &peer);
        else
            close(fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_accepting(l);
    return errno == ECONNABORTED || errno == EINTR;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN && l->fd >= 0 && accept_one(l); i++)
        ;
}

static void on_retry(struct loop_timer *t)
{
    struct listener *l = t->uv.data;

    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void show_out(struct loop_post *post)
{
    struct listener *l =
        (struct listener *)((char *)post - offsetof(struct listener, word));
    struct door_guest *g;

    atomic_store(&l->word_sent, false);
    while ((g = door_next_out(&l->exit, clock_monotonic_ms())) != NULL)
        conn_show_out((struct conn *)((char *)g - offsetof(struct conn, guest)));
}

static void send_word(struct door_exit *e)
{
    struct listener *l = (struct listener *)((char *)e - offsetof(struct listener, exit));

    atomic_store(&l->word_sent, true);
    loop_post(l->loop, &l->word);
}

/* The conns' side. */

enum rc listener_admit(struct listener *l, struct conn *c)
{
    /* A proxy that is known by now, and names nobody else, brings many people's. */
    bool proxied = cidr_list_has(l->options.trusted_proxies, &c->peer);
    bool is_network = c->peer.family != 0 && !proxied;
    enum rc rc =
        door_introduce(&c->guest, is_network ? &c->peer : NULL, clock_monotonic_ms());

    if (rc != RC_OK)
        count(l->options.refused_counter, 1);
    return rc;
}

void listener_opened(struct listener *l, struct conn *c)
{
    (void)c;
    atomic_fetch_add(&l->open_count, 1);
    count(l->options.open_gauge, 1);
    count(l->options.accepted_counter, 1);
}

static void handle_gone(struct listener *l)
{
    if (--l->handles > 0)
        return;
    pthread_mutex_lock(&l->lock);
    l->gone = true;
    pthread_cond_signal(&l->gone_now);
    pthread_mutex_unlock(&l->lock);
}

void listener_forget(struct listener *l, struct conn *c)
{
    if (c->opened) {
        atomic_fetch_sub(&l->open_count, 1);
        count(l->options.open_gauge, -1);
    }
    door_leave(&c->guest);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    handle_gone(l);
}

/* The owner's side; each of these runs on the loop. */

static void start_now(void *arg)
{
    struct listener *l = arg;

    CHECK(uv_poll_init(loop_uv(l->loop), &l->poll, l->fd) == 0);
    l->poll.data = l;
    loop_timer_init(l->loop, &l->retry, on_retry);
    l->retry.uv.data = l;
    l->handles = 2;
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

enum rc listener_new(struct loop *loop, const struct listener_options *o,
                     struct listener **out)
{
    struct listen_socket_options at = { .address = o->address,
                                        .ipv4_only = o->ipv4_only,
                                        .port = o->port,
                                        .reuse_port = true,
                                        .join = o->join };
    struct listener *l;
    uint16_t port = 0;
    enum rc rc;
    int fd;

    CHECK(o->handler->on_input != NULL && o->handler->on_close != NULL);
    rc = o->path != NULL ? listen_socket_open_path(o->path, &fd)
                         : listen_socket_open(&at, &fd, &port);
    if (rc != RC_OK)
        return rc;
    l = mem_alloc(sizeof(*l));
    l->options = *o;
    l->loop = loop;
    l->fd = fd;
    l->port = port;
    l->exit.wake = send_word;
    l->word.run = show_out;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->gone_now, NULL);
    loop_call(loop, start_now, l);
    *out = l;
    return RC_OK;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

static void on_poll_closed(uv_handle_t *h)
{
    handle_gone(h->data);
}

static void on_retry_closed(struct loop_timer *t)
{
    handle_gone(t->uv.data);
}

static void stop_now(void *arg)
{
    struct listener *l = arg;

    if (l->fd < 0)
        return;
    on_acceptable(&l->poll, 0, UV_READABLE); /* who waits already gets a proper goodbye */
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    loop_timer_close(&l->retry, on_retry_closed);
    if (l->options.path != NULL)
        unlink(l->options.path);
    close(l->fd);
    l->fd = -1;
}

void listener_stop(struct listener *l)
{
    loop_call(l->loop, stop_now, l);
}

struct each {
    struct listener *listener;
    void (*fn)(struct conn *c, void *arg);
    void *arg;
};

static void each_now(void *arg)
{
    struct each *e = arg;

    /* fn may end conns, but they leave the list only when the loop turns. */
    for (struct conn *c = e->listener->conns; c != NULL; c = c->next)
        if (c->opened && c->phase != CONN_DEAD)
            e->fn(c, e->arg);
}

void listener_each(struct listener *l, void (*fn)(struct conn *c, void *arg), void *arg)
{
    struct each e = { l, fn, arg };

    loop_call(l->loop, each_now, &e);
}

size_t listener_open_count(struct listener *l)
{
    return atomic_load(&l->open_count);
}

static void abort_all_now(void *arg)
{
    struct listener *l = arg;

    stop_now(l);
    for (struct conn *c = l->conns; c != NULL; c = c->next)
        conn_abort(c);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void wait_until_gone(struct listener *l)
{
    if (!loop_is_running(l->loop)) {
        while (!l->gone || atomic_load(&l->word_sent))
            uv_run(loop_uv(l->loop), UV_RUN_NOWAIT);
        return;
    }
    pthread_mutex_lock(&l->lock);
    while (!l->gone)
        pthread_cond_wait(&l->gone_now, &l->lock);
    pthread_mutex_unlock(&l->lock);
    loop_call(l->loop, nothing, NULL); /* a word that was sent arrives before it */
}

void listener_free(struct listener **listener)
{
    struct listener *l = *listener;

    if (l == NULL)
        return;
    CHECK(!loop_is_current(l->loop));
    loop_call(l->loop, abort_all_now, l);
    wait_until_gone(l);
    pthread_cond_destroy(&l->gone_now);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
    *listener = NULL;
}
