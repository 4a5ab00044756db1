/* map.c - linear probing in a table that is never more than half full.
 *
 * Removal shifts later entries of the same run back instead of leaving marks, so the
 * table does not fill with dead slots however often sessions come and go.
 */
#include "base/map.h"

#include "base/mem.h"

enum { FIRST_SLOTS = 64 };

struct slot {
    uint64_t key;
    void *pointer; /* NULL: free */
};

struct map {
    struct slot *slots;
    size_t mask; /* slots - 1, a power of two minus one */
    size_t count;
};

static size_t home(const struct map *m, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & m->mask;
}

struct map *map_new(void)
{
    struct map *m = mem_alloc(sizeof(*m));

    m->slots = mem_alloc(FIRST_SLOTS * sizeof(*m->slots));
    m->mask = FIRST_SLOTS - 1;
    return m;
}

void map_free(struct map **m)
{
    if (*m == NULL)
        return;
    mem_free((*m)->slots);
    mem_free(*m);
    *m = NULL;
}

static struct slot *find(const struct map *m, uint64_t key)
{
    size_t i = home(m, key);

    while (m->slots[i].pointer != NULL && m->slots[i].key != key)
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
    return find(m, key)->pointer;
}

static void remove_slot(struct map *m, struct slot *s)
{
    size_t hole = (size_t)(s - m->slots), i = hole;

    m->count--;
    m->slots[hole].pointer = NULL;
    for (;;) {
        size_t wanted;

        i = (i + 1) & m->mask;
        if (m->slots[i].pointer == NULL)
            return;
        wanted = home(m, m->slots[i].key);
        if (((i - wanted) & m->mask) < ((i - hole) & m->mask))
            continue;
        m->slots[hole] = m->slots[i];
        m->slots[i].pointer = NULL;
        hole = i;
    }
}

static void grow(struct map *m)
{
    struct slot *old = m->slots;
    size_t old_slots = m->mask + 1;

    m->slots = mem_alloc(old_slots * 2 * sizeof(*m->slots));
    m->mask = old_slots * 2 - 1;
    for (size_t i = 0; i < old_slots; i++) {
        if (old[i].pointer != NULL)
            *find(m, old[i].key) = old[i];
    }
    mem_free(old);
}

void map_set(struct map *m, uint64_t key, void *pointer)
{
    struct slot *s = find(m, key);

    if (pointer == NULL) {
        if (s->pointer != NULL)
            remove_slot(m, s);
        return;
    }
    if (s->pointer == NULL) {
        if ((m->count + 1) * 2 > m->mask + 1) {
            grow(m);
            s = find(m, key);
        }
        m->count++;
    }
    *s = (struct slot){ key, pointer };
}

size_t map_count(const struct map *m)
{
    return m->count;
}

void *map_next(const struct map *m, size_t *at, uint64_t *key)
{
    while (*at <= m->mask) {
        struct slot *s = &m->slots[(*at)++];

        if (s->pointer != NULL) {
            *key = s->key;
            return s->pointer;
        }
    }
    return NULL;
}
