/* roster.c - who is in progress and who waits: questions about the dispatcher's lists. */
#include "roster.h"

#include "base/arena.h"

static bool is_named(const struct destination *t, str_t name)
{
    return str_eq(str_of(t->name), name);
}

bool roster_is_idle(const struct destination *t)
{
    return t->lingering && t->waiting == NULL;
}

struct roster_census roster_count(const struct destination *list)
{
    struct roster_census c = { 0 };

    for (const struct destination *t = list; t != NULL; t = t->next) {
        c.idle += roster_is_idle(t);
        c.working += !roster_is_idle(t);
        c.unproven += !t->proven && !roster_is_idle(t);
    }
    return c;
}

size_t roster_working_on(const struct destination *list, const char *name)
{
    size_t n = 0;

    for (const struct destination *t = list; t != NULL; t = t->next)
        n += !roster_is_idle(t) && is_named(t, str_of(name));
    return n;
}

struct destination *roster_idle(struct destination *list, const char *name)
{
    for (struct destination *t = list; t != NULL; t = t->next)
        if (roster_is_idle(t) && !t->leaving && is_named(t, str_of(name)))
            return t;
    return NULL;
}

static bool carries(const struct destination *t, str_t domain)
{
    if (t->current != NULL && str_eq(t->current->row.domain, domain))
        return true;
    for (const struct parcel *p = t->waiting; p != NULL; p = p->next)
        if (str_eq(p->row.domain, domain))
            return true;
    return false;
}

static size_t parcels_to_go(const struct destination *t)
{
    size_t n = 0;

    for (const struct parcel *p = t->waiting; p != NULL; p = p->next)
        n++;
    return n;
}

static size_t parcels_of(const struct destination *list)
{
    size_t n = 0;

    for (const struct destination *t = list; t != NULL; t = t->next)
        n += 1 + parcels_to_go(t); /* with the one that is being sent */
    return n;
}

static size_t list_domain(struct arena *a, const struct parcel *p, str_t *busy, size_t n)
{
    if (!p->row.is_unrouted || str_eq(busy[n - 1], p->row.domain))
        return n;
    busy[n] = arena_str(a, p->row.domain);
    return n + 1;
}

static size_t list_busy(struct arena *a, const struct destination *t, str_t *busy,
                        size_t n)
{
    busy[n++] = arena_str(a, str_of(t->name));
    if (t->current != NULL)
        n = list_domain(a, t->current, busy, n);
    for (const struct parcel *p = t->waiting; p != NULL; p = p->next)
        n = list_domain(a, p, busy, n);
    return n;
}

size_t roster_busy(struct arena *a, const struct destination *list,
                   const struct destination *lobby, size_t per_destination, str_t **out)
{
    size_t n = 0;
    str_t *busy =
        arena_array(a, 2 * (parcels_of(list) + parcels_of(lobby)) + 1, sizeof(*busy));

    for (const struct destination *t = list; t != NULL; t = t->next)
        if (!roster_is_idle(t) && roster_working_on(list, t->name) >= per_destination)
            n = list_busy(a, t, busy, n);
    for (const struct destination *t = lobby; t != NULL; t = t->next)
        n = list_busy(a, t, busy, n);
    *out = busy;
    return n;
}

static struct destination *find_carrier(struct destination *list,
                                        const struct store_remote_row *row, size_t most)
{
    for (struct destination *t = list; t != NULL; t = t->next)
        if (t->transport->shared && !t->leaving && is_named(t, row->destination) &&
            carries(t, row->domain) && parcels_to_go(t) < most)
            return t;
    return NULL;
}

struct destination *roster_taker(struct destination *list, struct destination *lobby,
                                 const struct store_remote_row *row, size_t most)
{
    struct destination *carrier = find_carrier(list, row, most);

    if (carrier != NULL)
        return carrier;
    for (struct destination *t = list; t != NULL; t = t->next)
        if (t->lingering && !t->leaving && is_named(t, row->destination) &&
            (!t->transport->shared || t->waiting == NULL))
            return t;
    for (struct destination *t = lobby; t != NULL; t = t->next)
        if (is_named(t, row->destination) &&
            (!t->transport->shared || carries(t, row->domain)))
            return t;
    return NULL;
}
