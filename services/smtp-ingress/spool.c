/* spool.c - memory up to a limit, then a file without a name, mapped at the end. */
#include "spool.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct spool {
    const struct spool_limits *limits;
    struct buf memory; /* all of it, or what is not in the file yet */
    int fd;            /* -1: no file */
    uint64_t file_bytes;
    void *map;
    enum rc rc; /* sticky */
};

static _Atomic uint64_t all_files_bytes;

/* O_TMPFILE is not known to every file system (overlay of old kernels). */
static int open_nameless(const char *directory)
{
    char path[4096];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    if ((size_t)snprintf(path, sizeof(path), "%s/spool-XXXXXX", directory) >=
        sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static enum rc write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return RC_RETRY;
        p += put;
        n -= (size_t)put;
    }
    return RC_OK;
}

/* Move what is in memory into the file. */
static enum rc spill(struct spool *s)
{
    size_t n = s->memory.n;

    if (atomic_fetch_add(&all_files_bytes, n) + n > s->limits->all_files_bytes) {
        atomic_fetch_sub(&all_files_bytes, n);
        return RC_LIMIT;
    }
    s->file_bytes += n;
    if (s->fd < 0)
        s->fd = open_nameless(s->limits->directory);
    if (s->fd < 0 || write_all(s->fd, s->memory.p, n) != RC_OK) {
        log_error("spool.failed", "error=\"%s\"", strerror(errno));
        return RC_RETRY;
    }
    buf_clear(&s->memory);
    return RC_OK;
}

struct spool *spool_new(const struct spool_limits *limits)
{
    struct spool *s = mem_alloc(sizeof(*s));

    s->limits = limits;
    s->fd = -1;
    buf_init(&s->memory, limits->memory_bytes);
    return s;
}

void spool_free(struct spool **sp)
{
    struct spool *s = *sp;

    if (s == NULL)
        return;
    if (s->map != NULL)
        (void)munmap(s->map, s->file_bytes);
    if (s->fd >= 0)
        (void)close(s->fd);
    atomic_fetch_sub(&all_files_bytes, s->file_bytes);
    buf_fini(&s->memory);
    mem_free(s);
    *sp = NULL;
}

void spool_append(void *context, const char *p, size_t n)
{
    struct spool *s = context;

    while (n > 0 && s->rc == RC_OK) {
        size_t room = s->limits->memory_bytes - s->memory.n;
        size_t piece = n < room ? n : room;

        if (piece == 0) {
            s->rc = spill(s);
            continue;
        }
        CHECK(buf_append(&s->memory, p, piece) == RC_OK);
        p += piece;
        n -= piece;
    }
}

enum rc spool_finish(struct spool *s, str_t *message)
{
    if (s->rc == RC_OK && s->fd >= 0 && s->memory.n > 0)
        s->rc = spill(s);
    if (s->rc != RC_OK)
        return s->rc;
    if (s->fd < 0) {
        *message = buf_str(&s->memory);
        return RC_OK;
    }
    buf_fini(&s->memory);
    s->map = mmap(NULL, s->file_bytes, PROT_READ, MAP_PRIVATE, s->fd, 0);
    if (s->map == MAP_FAILED) {
        s->map = NULL;
        s->rc = RC_RETRY;
        return s->rc;
    }
    *message = str_n(s->map, s->file_bytes);
    return RC_OK;
}

uint64_t spool_all_files_bytes(void)
{
    return atomic_load(&all_files_bytes);
}
