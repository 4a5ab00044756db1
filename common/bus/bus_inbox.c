/* bus_inbox.c - one lock, one list, one eventfd that is written only for the first. */
#include "bus/bus_inbox.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    HINTS_MAX = 16384,  /* orders that may be lost */
    PEERS_MAX = 100000, /* peers that come and go */
    /* What nobody says twice: a subscription per range, drain, stop. */
    ORDERS_MAX = PEERS_MAX + 2 * MSG_RANGES,
    KEEP_ORDERS = 4096, /* a larger inbox gives its memory back */
};

static size_t room_for(enum bus_order_kind kind)
{
    switch (kind) {
    case BUS_ORDER_SEND:
        return HINTS_MAX;
    case BUS_ORDER_CONNECT:
    case BUS_ORDER_DISCONNECT:
        return PEERS_MAX;
    case BUS_ORDER_SUBSCRIBE:
    case BUS_ORDER_DRAIN:
    case BUS_ORDER_STOP:
        break;
    }
    return ORDERS_MAX;
}

void bus_inbox_init(struct bus_inbox *in)
{
    pthread_mutex_init(&in->lock, NULL);
    in->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(in->bell >= 0);
}

void bus_inbox_fini(struct bus_inbox *in)
{
    close(in->bell);
    mem_free(in->orders);
    pthread_mutex_destroy(&in->lock);
}

bool bus_inbox_put(struct bus_inbox *in, const struct bus_order *o)
{
    size_t max = room_for(o->kind);
    bool ring, full;

    pthread_mutex_lock(&in->lock);
    full = in->n >= max;
    if (!full && in->n == in->cap) {
        in->cap = in->cap == 0 ? 64 : in->cap * 2;
        in->orders = mem_realloc(in->orders, in->cap * sizeof(*o));
    }
    if (!full)
        in->orders[in->n++] = *o;
    ring = !in->rung;
    in->rung = true;
    pthread_mutex_unlock(&in->lock);
    CHECK(!full || max < ORDERS_MAX);
    if (ring)
        CHECK(eventfd_write(in->bell, 1) == 0);
    return !full;
}

struct bus_order *bus_inbox_take(struct bus_inbox *in, size_t *n)
{
    struct bus_order *orders;
    eventfd_t ignored;

    if (eventfd_read(in->bell, &ignored) < 0)
        CHECK(errno == EAGAIN);
    pthread_mutex_lock(&in->lock);
    orders = in->orders;
    *n = in->n;
    in->orders = NULL;
    in->n = in->cap = 0;
    in->rung = false;
    pthread_mutex_unlock(&in->lock);
    return orders;
}

/* Gives the memory back for the next orders, unless a burst has made it large. */
void bus_inbox_return(struct bus_inbox *in, struct bus_order *orders, size_t n)
{
    pthread_mutex_lock(&in->lock);
    if (in->orders == NULL && n <= KEEP_ORDERS) {
        in->orders = orders;
        in->cap = n;
        orders = NULL;
    }
    pthread_mutex_unlock(&in->lock);
    mem_free(orders);
}
