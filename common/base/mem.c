/* mem.c - malloc that does not fail. */
#include "base/mem.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t bytes)
{
    void *p = calloc(1, bytes == 0 ? 1 : bytes);

    CHECK(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t bytes)
{
    void *q = realloc(p, bytes == 0 ? 1 : bytes);

    CHECK(q != NULL);
    return q;
}

char *mem_cstr(const char *p, size_t bytes)
{
    char *q = mem_alloc(bytes + 1);

    if (bytes > 0)
        memcpy(q, p, bytes);
    return q;
}

void mem_free(void *p)
{
    free(p);
}
