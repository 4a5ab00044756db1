/* mem.h - the only door to malloc.  Running out of memory aborts, but where it is said
 * otherwise.  Thread: any. */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t bytes);               /* zeroed; release with mem_free */
void *mem_realloc(void *p, size_t bytes);    /* new bytes are not zeroed */
char *mem_cstr(const char *p, size_t bytes); /* a copy that ends in NUL */
void mem_free(void *p);                      /* NULL is allowed */

/* For what a stranger alone is the cause of, and can be refused: NULL when there is no
 * memory, or just what is kept for those above. */
void *mem_try_alloc(size_t bytes);
void *mem_try_realloc(void *p, size_t bytes);

/* Gives back to the system what was freed, if it is much and stays free: after a storm of
 * connections free pieces lie between those in use, and the C library returns none by
 * itself.  Called every MEM_TRIM_MS by a thread that nobody waits for. */
enum { MEM_TRIM_MS = 10000 };
void mem_trim(void);
