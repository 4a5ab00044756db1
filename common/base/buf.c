/* buf.c - growing by doubling, never past the limit. */
#include "base/buf.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){ .max = max_bytes };
}

void buf_init_arena(struct buf *b, struct arena *a, size_t max_bytes)
{
    *b = (struct buf){ .max = max_bytes, .arena = a };
}

void buf_fini(struct buf *b)
{
    if (b->arena == NULL)
        mem_free(b->p);
    b->p = NULL;
    b->n = b->cap = 0;
    b->full = false;
}

static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap == 0 ? FIRST_BYTES : b->cap;

    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    if (b->arena == NULL && b->may_fail) {
        char *p = mem_try_realloc(b->p, cap);

        if (p == NULL)
            return false;
        b->p = p;
    } else if (b->arena == NULL) {
        b->p = mem_realloc(b->p, cap);
    } else {
        char *p = arena_alloc(b->arena, cap);

        if (b->n > 0)
            memcpy(p, b->p, b->n);
        b->p = p;
    }
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max - b->n || (n > b->cap - b->n && !grow(b, b->n + n))) {
        b->full = true;
        return NULL;
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->n);
    b->n += n;
}

enum rc buf_append(struct buf *b, const void *p, size_t n)
{
    char *at;

    if (n == 0)
        return RC_OK;
    at = buf_reserve(b, n);
    if (at == NULL)
        return RC_LIMIT;
    memcpy(at, p, n);
    b->n += n;
    return RC_OK;
}

enum rc buf_puts(struct buf *b, const char *c_string)
{
    return buf_append(b, c_string, strlen(c_string));
}

enum rc buf_put(struct buf *b, str_t s)
{
    return buf_append(b, s.p, s.n);
}

enum rc buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

enum rc buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    char *at;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    /* vsnprintf writes a NUL after the text: ask for its byte, but do not count it. */
    at = (size_t)n < b->max - b->n ? buf_reserve(b, (size_t)n + 1) : NULL;
    if (at == NULL) {
        char *copy;

        va_end(again);
        if ((size_t)n != b->max - b->n) {
            b->full = true;
            return RC_LIMIT;
        }
        copy = mem_alloc((size_t)n + 1);
        va_start(args, format);
        vsnprintf(copy, (size_t)n + 1, format, args);
        va_end(args);
        CHECK(buf_append(b, copy, (size_t)n) == RC_OK);
        mem_free(copy);
        return RC_OK;
    }
    vsnprintf(at, (size_t)n + 1, format, again);
    va_end(again);
    b->n += (size_t)n;
    return RC_OK;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n -= n;
    if (b->n > 0)
        memmove(b->p, b->p + n, b->n);
}

void buf_truncate(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n = n;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

void buf_swap(struct buf *a, struct buf *b)
{
    struct buf t = *a;

    *a = *b;
    *b = t;
}

str_t buf_str(const struct buf *b)
{
    return str_n(b->p, b->n);
}
