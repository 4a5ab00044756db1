/* sender_book.c - a file that is read again when it has changed. */
#include "sender_book.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/sender_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 1000, PIECE_BYTES = 65536 };

struct sender_book {
    char *path;
    pthread_mutex_t lock;
    struct arena *arena; /* of the map; NULL: none was read */
    struct sender_map map;
    struct stat seen; /* of the file that was read or refused last */
    bool is_missing;
    int64_t look_at_ms;
};

struct sender_book *sender_book_new(const char *path)
{
    struct sender_book *b = mem_alloc(sizeof(*b));

    b->path = mem_cstr(path, strlen(path));
    CHECK(pthread_mutex_init(&b->lock, NULL) == 0);
    return b;
}

void sender_book_free(struct sender_book **b)
{
    if (*b == NULL)
        return;
    CHECK(pthread_mutex_destroy(&(*b)->lock) == 0);
    arena_free(&(*b)->arena);
    mem_free((*b)->path);
    mem_free(*b);
    *b = NULL;
}

/* False: why says why it could not be read. */
static bool read_all(int fd, struct buf *text, char *why, size_t room)
{
    char piece[PIECE_BYTES];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        if (buf_append(text, piece, (size_t)n) != RC_OK) {
            snprintf(why, room, "longer than %d bytes", SENDER_MAP_TEXT_MAX);
            return false;
        }
    }
    if (n < 0)
        snprintf(why, room, "%s", strerror(errno));
    return n == 0;
}

static void take(struct sender_book *b, int fd)
{
    struct arena *a = arena_new();
    struct sender_map map;
    char why[300] = "";
    struct buf text;

    buf_init(&text, SENDER_MAP_TEXT_MAX);
    if (read_all(fd, &text, why, sizeof(why)) &&
        sender_map_parse(a, buf_str(&text), &map, why, sizeof(why)) == RC_OK) {
        log_info("smtp.senders", "file=%s senders=%zu", b->path, map.count);
        arena_free(&b->arena);
        b->arena = a;
        b->map = map;
    } else {
        log_error("smtp.senders", "file=%s reason=\"%s\"", b->path, why);
        arena_free(&a);
    }
    buf_fini(&text);
}

static bool is_same(const struct stat *x, const struct stat *y)
{
    return x->st_ino == y->st_ino && x->st_dev == y->st_dev && x->st_size == y->st_size &&
           x->st_mtim.tv_sec == y->st_mtim.tv_sec &&
           x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

static void look(struct sender_book *b)
{
    int64_t now_ms = clock_monotonic_ms();
    struct stat found;
    int fd;

    if (now_ms < b->look_at_ms)
        return;
    b->look_at_ms = now_ms + LOOK_MS;
    fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &found) != 0) {
        if (!b->is_missing)
            log_error("smtp.senders", "file=%s reason=\"%s\"", b->path, strerror(errno));
        b->is_missing = true;
    } else if (b->is_missing || !is_same(&found, &b->seen)) {
        b->is_missing = false;
        b->seen = found;
        take(b, fd);
    }
    if (fd >= 0)
        close(fd);
}

enum rc sender_book_allows(struct sender_book *b, str_t account, str_t sender, bool *out)
{
    enum rc rc = RC_RETRY;

    *out = false;
    CHECK(pthread_mutex_lock(&b->lock) == 0);
    look(b);
    if (b->arena != NULL) {
        *out = sender_map_allows(&b->map, account, sender);
        rc = RC_OK;
    }
    CHECK(pthread_mutex_unlock(&b->lock) == 0);
    return rc;
}
