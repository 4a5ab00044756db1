/* milter_talk.c - libuv carries the packets, milter_dialogue.h says which.
 *
 * A talk is held by its message and by the loop, and goes with the last of them.  What
 * both touch, the judgement and the dialogue with the message that it borrows, is under
 * the talk's lock; the rest is the loop's.
 */
#include "milter_talk.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "judge.h"
#include "net/loop.h"
#include "smtp/milter_packet.h"
#include "svc/milters.h"

#include <pthread.h>
#include <stdatomic.h>

enum { OUT_MAX_BYTES = 1024 * 1024, READ_BYTES = 64 * 1024 };

struct milter_room {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t left;
    size_t open; /* talks that the loop holds */
};

struct milter_talk {
    struct arena *arena;
    struct milter_room *room;
    const struct milters_address *to;
    struct deadline until;
    int64_t answer_ms;
    pthread_mutex_t lock;        /* for the next three */
    struct judgement *judgement; /* NULL: released, or nobody wants it any more */
    struct milter_dialogue dialogue;
    int holders;
    enum rc rc; /* how it ended; before the release */
    /* The loop's. */
    struct loop_post start, stop;
    struct loop_timer timer;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    struct addrinfo *addresses, *next_address;
    struct buf in, out;
    bool has_timer, has_socket; /* not closed yet */
    bool resolves, writes, over, more;
};

#define TALK_OF(pointer, member)                                                         \
    ((struct milter_talk *)(void *)((char *)(pointer)-offsetof(struct milter_talk,       \
                                                               member)))

static void let_go(struct milter_talk *t)
{
    struct arena *a = t->arena;
    bool last;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    last = --t->holders == 0;
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    if (!last)
        return;
    milter_dialogue_fini(&t->dialogue);
    CHECK(pthread_mutex_destroy(&t->lock) == 0);
    buf_fini(&t->in);
    buf_fini(&t->out);
    arena_free(&a);
}

/* --- the loop's thread ----------------------------------------------------------------
 */

static void go_on(struct milter_talk *t);
static void try_next(struct milter_talk *t);

/* The loop holds it until nothing of it is left there. */
static void leave_loop(struct milter_talk *t)
{
    struct milter_room *room = t->room;

    if (!t->over || t->has_timer || t->has_socket || t->resolves)
        return;
    if (t->addresses != NULL)
        uv_freeaddrinfo(t->addresses);
    let_go(t);
    CHECK(pthread_mutex_lock(&room->lock) == 0);
    room->open--;
    CHECK(pthread_cond_signal(&room->left) == 0);
    CHECK(pthread_mutex_unlock(&room->lock) == 0);
}

static void timer_closed(struct loop_timer *timer)
{
    struct milter_talk *t = TALK_OF(timer, timer);

    t->has_timer = false;
    leave_loop(t);
}

static void socket_closed(uv_handle_t *h)
{
    struct milter_talk *t = h->data;

    t->has_socket = false;
    if (!t->over)
        try_next(t);
    leave_loop(t);
}

static void close_socket(struct milter_talk *t)
{
    if (t->has_socket && !uv_is_closing(&t->uv.handle))
        uv_close(&t->uv.handle, socket_closed);
}

static void end(struct milter_talk *t, enum rc rc)
{
    if (t->over)
        return;
    t->over = true;
    CHECK(pthread_mutex_lock(&t->lock) == 0);
    t->rc = rc;
    if (t->judgement != NULL)
        judge_release(t->judgement);
    t->judgement = NULL;
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    if (t->resolves)
        (void)uv_cancel((uv_req_t *)&t->resolve);
    loop_timer_close(&t->timer, timer_closed);
    close_socket(t);
}

/* Whoever answers has its time again, but not more than is left for the message. */
static void set_timer(struct milter_talk *t)
{
    int64_t left_ms = deadline_left_ms(t->until);

    loop_timer_start(&t->timer, left_ms < t->answer_ms ? left_ms : t->answer_ms, 0);
}

static void on_timer(struct loop_timer *timer)
{
    end(TALK_OF(timer, timer), RC_TIMEOUT);
}

static void on_written(uv_write_t *w, int status)
{
    struct milter_talk *t = TALK_OF(w, write);

    t->writes = false;
    buf_clear(&t->out);
    if (t->over)
        return;
    if (status != 0)
        end(t, RC_CLOSED);
    else if (t->more)
        go_on(t);
}

/* Says what is next; while something is being written, that has to be taken first. */
static void go_on(struct milter_talk *t)
{
    enum milter_turn turn = MILTER_LISTEN;
    uv_buf_t b;
    bool wanted;

    t->more = t->writes;
    if (t->over || t->writes)
        return;
    CHECK(pthread_mutex_lock(&t->lock) == 0);
    wanted = t->judgement != NULL;
    if (wanted)
        turn = milter_dialogue_speak(&t->dialogue, &t->out);
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    if (!wanted || t->out.full) {
        end(t, wanted ? RC_LIMIT : RC_CLOSED);
        return;
    }
    t->more = turn == MILTER_SPEAK;
    if (turn == MILTER_OVER) {
        b = uv_buf_init(t->out.p, (unsigned)t->out.n);
        (void)uv_try_write(&t->uv.stream, &b, 1); /* its goodbye, which may be lost */
        end(t, RC_OK);
        return;
    }
    if (t->out.n == 0)
        return;
    b = uv_buf_init(t->out.p, (unsigned)t->out.n);
    t->writes = true;
    if (uv_write(&t->write, &t->uv.stream, &b, 1, on_written) != 0) {
        t->writes = false;
        end(t, RC_CLOSED);
    }
}

static enum rc hear(struct milter_talk *t, char command, str_t data)
{
    enum rc rc = RC_CLOSED;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    if (t->judgement != NULL)
        rc = milter_dialogue_hear(&t->dialogue, command, data);
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    return rc;
}

static void take_packets(struct milter_talk *t)
{
    size_t used;
    char command;
    str_t data;
    enum rc rc = RC_OK;

    while (!t->over && rc == RC_OK) {
        rc = milter_packet_next(buf_str(&t->in), &command, &data, &used);
        if (rc == RC_OK) {
            rc = hear(t, command, data);
            buf_consume(&t->in, used);
            set_timer(t);
        }
    }
    if (rc != RC_RETRY)
        end(t, rc);
    else
        go_on(t);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct milter_talk *t = h->data;
    char *p = buf_reserve(&t->in, READ_BYTES);

    (void)suggested;
    *out = uv_buf_init(p, p == NULL ? 0 : READ_BYTES);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct milter_talk *t = s->data;

    (void)b;
    if (n < 0)
        end(t, n == UV_ENOBUFS ? RC_LIMIT : RC_CLOSED);
    if (n <= 0 || t->over)
        return;
    buf_commit(&t->in, (size_t)n);
    take_packets(t);
}

static void on_connected(uv_connect_t *c, int status)
{
    struct milter_talk *t = TALK_OF(c, connect);

    if (t->over)
        return;
    if (status != 0)
        close_socket(t); /* then the next address has its turn */
    else if (uv_read_start(&t->uv.stream, on_room, on_read) != 0)
        end(t, RC_CLOSED);
    else
        go_on(t);
}

static void try_next(struct milter_talk *t)
{
    struct addrinfo *ai = t->next_address;

    if (ai == NULL) {
        end(t, RC_RETRY);
        return;
    }
    t->next_address = ai->ai_next;
    CHECK(uv_tcp_init(loop_uv(t->room->loop), &t->uv.tcp) == 0);
    t->uv.handle.data = t;
    t->has_socket = true;
    if (uv_tcp_connect(&t->connect, &t->uv.tcp, ai->ai_addr, on_connected) != 0)
        close_socket(t);
    else
        (void)uv_tcp_nodelay(&t->uv.tcp, 1);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *found)
{
    struct milter_talk *t = TALK_OF(r, resolve);

    t->resolves = false;
    t->addresses = t->next_address = status == 0 ? found : NULL;
    if (!t->over)
        try_next(t);
    leave_loop(t);
}

static void connect_unix(struct milter_talk *t)
{
    CHECK(uv_pipe_init(loop_uv(t->room->loop), &t->uv.pipe, 0) == 0);
    t->uv.handle.data = t;
    t->has_socket = true;
    uv_pipe_connect(&t->connect, &t->uv.pipe, t->to->path, on_connected);
}

static void start(struct loop_post *post)
{
    struct milter_talk *t = TALK_OF(post, start);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

    loop_timer_init(t->room->loop, &t->timer, on_timer);
    t->has_timer = true;
    set_timer(t);
    if (t->to->path != NULL) {
        connect_unix(t);
        return;
    }
    t->resolves = uv_getaddrinfo(loop_uv(t->room->loop), &t->resolve, on_resolved,
                                 t->to->host, t->to->port, &hints) == 0;
    if (!t->resolves)
        end(t, RC_RETRY);
}

static void stop(struct loop_post *post)
{
    struct milter_talk *t = TALK_OF(post, stop);

    end(t, RC_CLOSED);
    let_go(t);
}

/* --- from elsewhere -------------------------------------------------------------------
 */

static void forget(void *what)
{
    struct milter_talk *t = what;
    bool goes_on;

    CHECK(pthread_mutex_lock(&t->lock) == 0);
    goes_on = t->judgement != NULL;
    t->judgement = NULL;
    CHECK(pthread_mutex_unlock(&t->lock) == 0);
    if (goes_on)
        loop_post(t->room->loop, &t->stop); /* which lets go */
    else
        let_go(t);
}

/* False: as many as may talk. */
static bool enter(struct milter_room *room)
{
    bool may;

    CHECK(pthread_mutex_lock(&room->lock) == 0);
    may = room->open < MILTER_TALK_AT_ONCE;
    room->open += may;
    CHECK(pthread_mutex_unlock(&room->lock) == 0);
    return may;
}

struct milter_talk *milter_talk_begin(struct milter_room *room, struct judgement *g,
                                      const struct milters_address *to,
                                      const struct milter_message *about,
                                      struct deadline until, int64_t answer_ms)
{
    struct arena *a = arena_new();
    struct milter_talk *t = arena_alloc(a, sizeof(*t));
    bool may = enter(room);

    t->arena = a;
    t->room = room;
    t->to = to;
    t->until = until;
    t->answer_ms = answer_ms;
    t->judgement = may ? g : NULL;
    t->rc = RC_LIMIT;
    t->holders = may ? 2 : 1;
    t->start.run = start;
    t->stop.run = stop;
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    milter_dialogue_init(&t->dialogue, a, about);
    buf_init(&t->in, MILTER_PACKET_MAX_BYTES + 2 * READ_BYTES);
    buf_init(&t->out, OUT_MAX_BYTES);
    judge_hold(g, forget, t);
    if (may)
        loop_post(room->loop, &t->start);
    else
        judge_release(g);
    return t;
}

enum rc milter_talk_result(const struct milter_talk *t,
                           const struct milter_dialogue **said)
{
    *said = &t->dialogue;
    return t->rc;
}

struct milter_room *milter_talk_room_new(void)
{
    struct milter_room *room = mem_alloc(sizeof(*room));

    CHECK(pthread_mutex_init(&room->lock, NULL) == 0);
    CHECK(pthread_cond_init(&room->left, NULL) == 0);
    room->loop = loop_new("milter");
    loop_start(room->loop);
    return room;
}

void milter_talk_room_free(struct milter_room **r)
{
    struct milter_room *room = *r;

    if (room == NULL)
        return;
    CHECK(pthread_mutex_lock(&room->lock) == 0);
    while (room->open > 0)
        CHECK(pthread_cond_wait(&room->left, &room->lock) == 0);
    CHECK(pthread_mutex_unlock(&room->lock) == 0);
    loop_stop(room->loop);
    loop_free(&room->loop);
    CHECK(pthread_cond_destroy(&room->left) == 0);
    CHECK(pthread_mutex_destroy(&room->lock) == 0);
    mem_free(room);
    *r = NULL;
}
