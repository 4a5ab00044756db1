/* arena.c - blocks of memory, handed out by moving a mark.
 *
 * A request larger than a block gets a block of its own.  reset keeps the first block:
 * it is the one that nearly every job fits into.
 */
#include "base/arena.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 32 * 1024 };

struct block {
    struct block *next;
    size_t used, bytes;
    max_align_t data[];
};

struct arena {
    struct block *first, *current;
    size_t used; /* [bytes] in all blocks */
};

static struct block *block_new(size_t bytes)
{
    struct block *b = mem_alloc(sizeof(*b) + bytes);

    b->next = NULL;
    b->used = 0;
    b->bytes = bytes;
    return b;
}

struct arena *arena_new(void)
{
    struct arena *a = mem_alloc(sizeof(*a));

    a->first = a->current = block_new(BLOCK_BYTES);
    a->used = 0;
    return a;
}

void arena_reset(struct arena *a)
{
    struct block *b = a->first->next;

    while (b != NULL) {
        struct block *next = b->next;

        mem_free(b);
        b = next;
    }
    a->first->next = NULL;
    a->first->used = 0;
    a->current = a->first;
    a->used = 0;
}

void arena_free(struct arena **a)
{
    if (*a == NULL)
        return;
    arena_reset(*a);
    mem_free((*a)->first);
    mem_free(*a);
    *a = NULL;
}

static void *take(struct arena *a, size_t bytes)
{
    const size_t align = _Alignof(max_align_t);
    void *p;

    CHECK(bytes <= SIZE_MAX / 2);
    bytes = (bytes + align - 1) / align * align;
    if (a->current->bytes - a->current->used < bytes) {
        struct block *b = block_new(bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);

        a->current->next = b;
        a->current = b;
    }
    p = (char *)a->current->data + a->current->used;
    a->current->used += bytes;
    a->used += bytes;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return memset(take(a, bytes), 0, bytes);
}

void *arena_array(struct arena *a, size_t count, size_t element_bytes)
{
    size_t bytes;

    CHECK(!__builtin_mul_overflow(count, element_bytes, &bytes));
    return arena_alloc(a, bytes);
}

void *arena_copy(struct arena *a, const void *p, size_t bytes)
{
    void *to = take(a, bytes);

    if (bytes > 0)
        memcpy(to, p, bytes);
    return to;
}

str_t arena_str(struct arena *a, str_t s)
{
    return str_n(arena_copy(a, s.p, s.n), s.n);
}

str_t arena_str_lower(struct arena *a, str_t s)
{
    char *p = arena_copy(a, s.p, s.n);

    for (size_t i = 0; i < s.n; i++)
        p[i] = (char)str_lower_char((unsigned char)p[i]);
    return str_n(p, s.n);
}

char *arena_cstr(struct arena *a, str_t s)
{
    char *p = take(a, s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    char *p;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    CHECK(n >= 0);
    p = take(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return p;
}

struct buf *arena_buf(struct arena *a, size_t max_bytes)
{
    struct buf *b = arena_alloc(a, sizeof(*b));

    buf_init_arena(b, a, max_bytes);
    return b;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
