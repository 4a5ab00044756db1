/* mem.h - the only door to malloc.  Running out of memory aborts.  Thread: any. */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t bytes);               /* zeroed; release with mem_free */
void *mem_realloc(void *p, size_t bytes);    /* new bytes are not zeroed */
char *mem_cstr(const char *p, size_t bytes); /* a copy that ends in NUL */
void mem_free(void *p);                      /* NULL is allowed */
