/* arena.h - memory that lives as long as one job.
 *
 * Allocation aborts the process when memory runs out: sizes that come from the network
 * are checked against a limit before they reach here.  Nothing is freed singly.
 * Thread: one owner at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena **a);

/* Forget everything that was allocated.  Keeps one block, so that a steady stream of
 * jobs does not return to malloc; secrets are not wiped, see crypto_wipe. */
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t bytes); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t element_bytes);
void *arena_copy(struct arena *a, const void *p, size_t bytes);

str_t arena_str(struct arena *a, str_t s);       /* a copy */
str_t arena_str_lower(struct arena *a, str_t s); /* a copy in ASCII lower case */
char *arena_cstr(struct arena *a, str_t s);      /* a copy that ends in NUL */
char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An empty buffer that grows in the arena up to max_bytes. */
struct buf *arena_buf(struct arena *a, size_t max_bytes);

size_t arena_used(const struct arena *a); /* [bytes] since the last reset */
