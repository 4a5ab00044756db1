/* mem.c - malloc that does not fail. */
#include "base/mem.h"

#include "base/log.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RESERVE_BYTES = 8 << 20,   /* of addresses: nothing is written there */
    TRIM_MIN_BYTES = 16 << 20, /* less is not worth the work */
    TRIM_PART = 4,             /* of what is in use */
};

/* Given up when there is no memory, for those who cannot be refused; until it is there
 * again, who can be is. */
static void *_Atomic reserve;

static bool give_up_reserve(void)
{
    void *r = atomic_exchange(&reserve, NULL);

    return r != NULL && munmap(r, RESERVE_BYTES) == 0;
}

static bool has_reserve(void)
{
    void *none = NULL, *r;

    if (atomic_load(&reserve) != NULL)
        return true;
    r = mmap(NULL, RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
             0);
    if (r == MAP_FAILED)
        return false;
    if (!atomic_compare_exchange_strong(&reserve, &none, r))
        munmap(r, RESERVE_BYTES);
    return true;
}

void *mem_alloc(size_t bytes)
{
    void *p = calloc(1, bytes == 0 ? 1 : bytes);

    if (p == NULL && give_up_reserve())
        p = calloc(1, bytes == 0 ? 1 : bytes);
    CHECK(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t bytes)
{
    void *q = realloc(p, bytes == 0 ? 1 : bytes);

    if (q == NULL && give_up_reserve())
        q = realloc(p, bytes == 0 ? 1 : bytes);
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

void *mem_try_alloc(size_t bytes)
{
    return has_reserve() ? calloc(1, bytes == 0 ? 1 : bytes) : NULL;
}

void *mem_try_realloc(void *p, size_t bytes)
{
    return has_reserve() ? realloc(p, bytes == 0 ? 1 : bytes) : NULL;
}

/* Anonymous memory that is resident [bytes]. */
static size_t resident_bytes(void)
{
    unsigned long long size, resident, shared;
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0 || sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3)
        return 0;
    return (size_t)(resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Twice in a row, so that what the next moment needs again is left alone; and not again
 * for what the last time could not give back. */
void mem_trim(void)
{
    static size_t seen, kept;
    struct mallinfo2 m = mallinfo2();
    size_t used = m.uordblks + m.hblkhd, resident = resident_bytes();
    size_t waste = resident > used ? resident - used : 0;
    bool much = waste > TRIM_MIN_BYTES + kept && waste > used / TRIM_PART;

    if (waste < kept)
        kept = waste;
    if (much && seen > TRIM_MIN_BYTES) {
        malloc_trim(0);
        resident = resident_bytes();
        kept = resident > used ? resident - used : 0;
        much = false;
    }
    seen = much ? waste : 0;
}
