/* order.c - of one sender's messages to one mailbox none overtakes another. */
#include "order.h"

#include "account/route.h"
#include "base/arena.h"

#include <stdlib.h>

/* An older message on the way from a sender to an address. */
struct lane {
    str_t sender, address; /* address: empty: any of them */
    int64_t order_us, body_id, due_us;
};

struct order {
    struct lane *lane; /* sorted */
    size_t count;
};

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *x, const void *y)
{
    const struct lane *a = x, *b = y;
    int by = str_compare(a->sender, b->sender);

    if (by == 0)
        by = str_compare(a->address, b->address);
    if (by == 0)
        by = compare_int(a->order_us, b->order_us);
    return by != 0 ? by : compare_int(a->body_id, b->body_id);
}

static void add_elder(struct arena *a, struct order *o, const struct route_rules *rules,
                      const struct store_queue_elder *e)
{
    struct route *route;
    size_t n = route_all(a, rules, e->recipients, e->recipient_count, &route);

    for (size_t i = 0; i < n; i++)
        if (route[i].kind == ROUTE_LOCAL)
            o->lane[o->count++] = (struct lane){ .sender = e->sender,
                                                 .address = route[i].address,
                                                 .order_us = e->order_us,
                                                 .body_id = e->body_id,
                                                 .due_us = e->due_us };
}

static int64_t oldest_of(str_t sender, const struct store_queue_row *rows, size_t n)
{
    int64_t oldest = INT64_MAX;

    for (size_t i = 0; i < n; i++)
        if (str_eq(rows[i].sender, sender) && rows[i].order_us < oldest)
            oldest = rows[i].order_us;
    return oldest;
}

/* Elders that were asked for together, beginning with e. */
static size_t count_alike(const struct store_queue_elder *e, size_t n)
{
    size_t count = 1;

    while (count < n && e[count].than_us == e->than_us &&
           str_eq(e[count].sender, e->sender))
        count++;
    return count;
}

/* There may be more elders than we were told of.  So all of this sender waits behind the
 * newest, but for his oldest row if all that is older than this one is known. */
static void add_unknown(struct order *o, const struct store_queue_elder *newest,
                        const struct store_queue_row *rows, size_t n)
{
    int64_t oldest_us = oldest_of(newest->sender, rows, n);

    o->lane[o->count++] = (struct lane){
        .sender = newest->sender,
        .order_us = newest->than_us == oldest_us ? 0 : oldest_us,
        .body_id = INT64_MAX,
        .due_us = newest->due_us,
    };
}

struct order *order_read(struct arena *a, const struct db *db, size_t which,
                         const struct route_rules *rules,
                         const struct store_queue_row *rows, size_t n)
{
    struct order *o = arena_alloc(a, sizeof(*o));
    struct store_queue_elder *e;
    size_t elders, most = 0;

    store_queue_take_elders(a, db, which, &e, &elders);
    for (size_t i = 0; i < elders; i++)
        most += e[i].recipient_count + 1;
    o->lane = arena_array(a, most + 1, sizeof(*o->lane));
    for (size_t i = 0, alike; i < elders; i += alike) {
        alike = count_alike(&e[i], elders - i);
        if (alike == STORE_QUEUE_ELDERS_MAX)
            add_unknown(o, &e[i], rows, n);
        for (size_t k = i; k < i + alike; k++)
            add_elder(a, o, rules, &e[k]);
    }
    if (o->count > 0)
        qsort(o->lane, o->count, sizeof(*o->lane), compare);
    return o;
}

/* The last one before key, of the same sender and address; NULL: none. */
static const struct lane *last_before(const struct order *o, const struct lane *key)
{
    size_t low = 0, high = o->count;
    const struct lane *found;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&o->lane[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    found = &o->lane[low - 1];
    return str_eq(found->sender, key->sender) && str_eq(found->address, key->address)
               ? found
               : NULL;
}

bool order_is_behind(const struct order *o, const struct store_queue_row *row,
                     str_t address, int64_t *due_us)
{
    struct lane key = { .sender = row->sender,
                        .address = address,
                        .order_us = row->order_us,
                        .body_id = row->body_id };
    const struct lane *before = last_before(o, &key);

    if (before == NULL) {
        key.address = S("");
        before = last_before(o, &key);
    }
    if (before != NULL)
        *due_us = before->due_us;
    return before != NULL;
}
