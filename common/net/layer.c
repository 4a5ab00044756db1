/* layer.c - the pile, and its lowest layer: the socket, whose state is its descriptor. */
#include "net/layer.h"

#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static int descriptor(void *state)
{
    return (int)(intptr_t)state;
}

static void socket_free(void *state)
{
    (void)state; /* its owner closes it */
}

static enum layer_io socket_read(void *state, void *p, size_t n, size_t *got)
{
    ssize_t r = recv(descriptor(state), p, n, 0);

    if (r > 0)
        *got = (size_t)r;
    if (r >= 0)
        return r > 0 ? LAYER_OK : LAYER_CLOSED;
    return errno == EAGAIN || errno == EINTR ? LAYER_WANT_READ : LAYER_ERROR;
}

static enum layer_io socket_write(void *state, const void *p, size_t n, size_t *put)
{
    ssize_t r = send(descriptor(state), p, n, MSG_NOSIGNAL);

    if (r >= 0)
        *put = (size_t)r;
    if (r >= 0)
        return LAYER_OK;
    return errno == EAGAIN || errno == EINTR ? LAYER_WANT_WRITE : LAYER_ERROR;
}

static const char *socket_failure(void *state)
{
    (void)state;
    return strerror(errno);
}

static const struct layer_kind socket_kind = { .name = "socket",
                                               .is_lowest = true,
                                               .free = socket_free,
                                               .read = socket_read,
                                               .write = socket_write,
                                               .failure = socket_failure };

/* NULL: l is the lowest. */
static const struct layer *below(const struct layer *l)
{
    return l->kind->is_lowest ? NULL : l->state;
}

void layer_socket(struct layer *top, int fd)
{
    *top = (struct layer){ &socket_kind, (void *)(intptr_t)fd };
}

int layer_fd(const struct layer *socket)
{
    CHECK(layer_is_socket(socket));
    return descriptor(socket->state);
}

bool layer_is_socket(const struct layer *top)
{
    return top->kind == &socket_kind;
}

bool layer_push(struct layer *top, const struct layer_kind *kind, void *from, str_t early)
{
    void *state;

    CHECK(early.n == 0 || kind->takes_early);
    state = kind->open(*top, from, early);
    if (state == NULL)
        return false;
    *top = (struct layer){ kind, state };
    return true;
}

void layer_free(struct layer *top)
{
    while (top->kind != NULL) {
        const struct layer *next = below(top);
        struct layer rest = next != NULL ? *next : (struct layer){ 0 };

        top->kind->free(top->state);
        *top = rest;
    }
}

enum layer_io layer_handshake(const struct layer *top)
{
    return top->kind->handshake != NULL ? top->kind->handshake(top->state) : LAYER_OK;
}

enum layer_io layer_read(const struct layer *top, void *p, size_t n, size_t *got)
{
    *got = 0;
    return top->kind->read(top->state, p, n, got);
}

enum layer_io layer_write(const struct layer *top, const void *p, size_t n, size_t *put)
{
    *put = 0;
    return top->kind->write(top->state, p, n, put);
}

enum layer_io layer_flush(const struct layer *top, size_t *put)
{
    enum layer_io io = LAYER_OK;
    size_t each;

    *put = 0;
    for (const struct layer *l = top; l != NULL && io == LAYER_OK; l = below(l)) {
        each = 0;
        if (l->kind->flush != NULL)
            io = l->kind->flush(l->state, &each);
        *put += each;
    }
    return io;
}

bool layer_has_pending(const struct layer *top)
{
    for (const struct layer *l = top; l != NULL; l = below(l))
        if (l->kind->has_pending != NULL && l->kind->has_pending(l->state))
            return true;
    return false;
}

void layer_end(const struct layer *top)
{
    for (const struct layer *l = top; l != NULL; l = below(l))
        if (l->kind->end != NULL)
            l->kind->end(l->state);
}

const char *layer_failure(const struct layer *top)
{
    const struct layer *l = top;

    while (l->kind->failure == NULL && below(l) != NULL)
        l = below(l);
    return l->kind->failure != NULL ? l->kind->failure(l->state) : "";
}

void *layer_find(const struct layer *top, const struct layer_kind *kind)
{
    for (const struct layer *l = top; l != NULL; l = below(l))
        if (l->kind == kind)
            return l->state;
    return NULL;
}
