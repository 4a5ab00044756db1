/* append_spool.c - a message on its way from the client into APPEND. */
#include "append_spool.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct append_spool {
    size_t total;
    size_t done;
    char *memory; /* NULL: in the file */
    int fd;
    void *map;
    bool nul;
};

struct append_spool *append_spool_new(const char *folder, size_t bytes)
{
    struct append_spool *s = mem_alloc(sizeof *s);

    s->total = bytes;
    s->fd = -1;
    if (bytes <= APPEND_SPOOL_MEMORY)
        s->memory = mem_alloc(bytes + 1);
    else
        s->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return s;
}

void append_spool_free(struct append_spool **s)
{
    if (*s == NULL)
        return;
    if ((*s)->map != NULL)
        munmap((*s)->map, (*s)->total);
    if ((*s)->fd >= 0)
        close((*s)->fd);
    mem_free((*s)->memory);
    mem_free(*s);
    *s = NULL;
}

static enum rc write_all(int fd, str_t piece)
{
    while (piece.n > 0) {
        ssize_t n = write(fd, piece.p, piece.n);

        if (n < 0 && errno != EINTR)
            return RC_RETRY;
        if (n > 0)
            piece = str_skip(piece, (size_t)n);
    }
    return RC_OK;
}

enum rc append_spool_add(struct append_spool *s, str_t piece)
{
    CHECK(piece.n <= append_spool_left(s));
    s->nul |= memchr(piece.p, '\0', piece.n) != NULL;
    if (s->memory != NULL)
        memcpy(s->memory + s->done, piece.p, piece.n);
    else if (s->fd < 0 || write_all(s->fd, piece) != RC_OK)
        return RC_RETRY;
    s->done += piece.n;
    return RC_OK;
}

size_t append_spool_left(const struct append_spool *s)
{
    return s->total - s->done;
}

bool append_spool_has_nul(const struct append_spool *s)
{
    return s->nul;
}

enum rc append_spool_bytes(struct append_spool *s, str_t *out)
{
    CHECK(s->done == s->total);
    if (s->memory != NULL) {
        *out = str_n(s->memory, s->total);
        return RC_OK;
    }
    if (s->map == NULL) {
        s->map = mmap(NULL, s->total, PROT_READ, MAP_PRIVATE, s->fd, 0);
        if (s->map == MAP_FAILED)
            s->map = NULL;
    }
    *out = str_n(s->map, s->total);
    return s->map == NULL ? RC_RETRY : RC_OK;
}
