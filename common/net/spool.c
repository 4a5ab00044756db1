/* spool.c - a buffer up to a limit, then a mapping that grows chunk by chunk.
 *
 * A mapping, because growing it moves page tables instead of bytes, and because freeing
 * it gives the memory back to the system at once.
 */
#include "net/spool.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/limit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { OWNER_PARTS = 3 };

struct spool {
    const struct spool_room *room;
    uint64_t owner;
    struct buf small; /* all of it, until it is large */
    char *large;      /* NULL: is small */
    size_t n, cap;    /* of large */
    enum rc rc;       /* sticky */
};

static struct metric all_bytes = { .kind = METRIC_GAUGE,
                                   .name = "postbus_spool_bytes",
                                   .labels = "",
                                   .help = "Large messages that are arriving." };

static enum rc take_chunk(struct spool *s)
{
    struct limit *chunks = s->room->chunks;

    if (limit_take_total(chunks) != RC_OK)
        return RC_LIMIT;
    if (s->owner != 0 && limit_take_key(chunks, s->owner) != RC_OK) {
        limit_give_total(chunks);
        return RC_LIMIT;
    }
    metric_add(&all_bytes, SPOOL_CHUNK_BYTES);
    return RC_OK;
}

static void give_chunk(struct spool *s)
{
    if (s->owner != 0)
        limit_give_key(s->room->chunks, s->owner);
    limit_give_total(s->room->chunks);
    metric_add(&all_bytes, -SPOOL_CHUNK_BYTES);
}

static enum rc grow(struct spool *s)
{
    size_t cap = s->cap + SPOOL_CHUNK_BYTES;
    void *p;

    if (take_chunk(s) != RC_OK)
        return RC_LIMIT;
    if (s->large == NULL)
        p = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        p = mremap(s->large, s->cap, cap, MREMAP_MAYMOVE);
    if (p == MAP_FAILED) {
        log_error("spool.failed", "error=\"%s\"", strerror(errno));
        give_chunk(s);
        return RC_RETRY;
    }
    s->large = p;
    s->cap = cap;
    return RC_OK;
}

static void drop_large(struct spool *s)
{
    if (s->large != NULL)
        (void)munmap(s->large, s->cap);
    for (size_t i = 0; i < s->cap / SPOOL_CHUNK_BYTES; i++)
        give_chunk(s);
    s->large = NULL;
    s->n = s->cap = 0;
}

static void append_large(struct spool *s, const char *p, size_t n)
{
    while (n > 0 && s->rc == RC_OK) {
        size_t room = s->cap - s->n;
        size_t piece = n < room ? n : room;

        if (piece == 0) {
            s->rc = grow(s);
            continue;
        }
        memcpy(s->large + s->n, p, piece);
        s->n += piece;
        p += piece;
        n -= piece;
    }
    /* What will be refused anyway does not hold what others need while it goes on. */
    if (s->rc != RC_OK)
        drop_large(s);
}

struct limit *spool_chunks_new(int64_t memory_bytes, int64_t message_bytes)
{
    size_t one = (size_t)message_bytes / SPOOL_CHUNK_BYTES + 1;
    size_t all = (size_t)memory_bytes / SPOOL_CHUNK_BYTES;
    size_t part = all / OWNER_PARTS;

    return limit_new(all > one ? all : one, part > one ? part : one);
}

struct spool *spool_new(const struct spool_room *room, uint64_t owner)
{
    struct spool *s = mem_alloc(sizeof(*s));

    s->room = room;
    s->owner = owner;
    buf_init(&s->small, room->small_bytes);
    return s;
}

void spool_free(struct spool **sp)
{
    struct spool *s = *sp;

    if (s == NULL)
        return;
    drop_large(s);
    buf_fini(&s->small);
    mem_free(s);
    *sp = NULL;
}

void spool_append(void *context, const char *p, size_t n)
{
    struct spool *s = context;

    if (s->rc != RC_OK)
        return;
    if (s->large == NULL && n <= s->room->small_bytes - s->small.n) {
        CHECK(buf_append(&s->small, p, n) == RC_OK);
        return;
    }
    append_large(s, s->small.p, s->small.n);
    buf_fini(&s->small);
    append_large(s, p, n);
}

str_t spool_so_far(const struct spool *s)
{
    if (s->rc != RC_OK)
        return S("");
    return s->large != NULL ? str_n(s->large, s->n) : buf_str(&s->small);
}

enum rc spool_finish(struct spool *s, str_t *message)
{
    if (s->rc == RC_OK)
        *message = spool_so_far(s);
    return s->rc;
}

void spool_register_metrics(void)
{
    metric_register(&all_bytes);
}
