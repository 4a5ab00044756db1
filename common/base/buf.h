/* buf.h - bytes that grow up to a limit.
 *
 * A refused append changes nothing but the sticky flag `full`, so a composer can append
 * many pieces and look once at the end.  Storage is the heap's or an arena's.
 * Thread: one owner at a time.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct buf {
    char *p;
    size_t n;            /* [bytes] in use */
    size_t cap;          /* [bytes] allocated */
    size_t max;          /* [bytes] limit for n */
    struct arena *arena; /* NULL: heap */
    bool full;           /* an append was refused */
    bool may_fail;       /* heap only: without memory an append is refused, too */
};

void buf_init(struct buf *b, size_t max_bytes); /* heap; end with buf_fini */
void buf_init_arena(struct buf *b, struct arena *a, size_t max_bytes);
void buf_fini(struct buf *b); /* gives heap storage back; b is empty and usable */

/* RC_LIMIT: over max, b->n is unchanged. */
enum rc buf_append(struct buf *b, const void *p, size_t n);
enum rc buf_puts(struct buf *b, const char *c_string);
enum rc buf_put(struct buf *b, str_t s);
enum rc buf_putc(struct buf *b, char c);
enum rc buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for n more bytes at the end, or NULL when over max; buf_commit says how many
 * of them were written. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

void buf_consume(struct buf *b, size_t n); /* drop the first n bytes */
void buf_truncate(struct buf *b, size_t n);
void buf_clear(struct buf *b); /* keeps the storage, clears full */
void buf_swap(struct buf *a, struct buf *b);
str_t buf_str(const struct buf *b); /* borrowed until the next change */
