/* alias_book.c - the aliases that an operator wrote down, and when to read them again. */
#include "account/alias_book.h"

#include "account/aliases.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One state of the file, kept while somebody looks things up in it. */
struct page {
    struct aliases *aliases;
    size_t readers; /* the book's own among them */
};

struct alias_book {
    const struct domains *domains;
    const char *file;
    struct aliases *of_option;
    pthread_mutex_t lock;
    struct page *page;    /* NULL: nothing was read yet */
    struct stat seen;     /* the file as it was at the last try to read it */
    struct stat noticed;  /* and at the last look */
    int64_t look_at_ms;   /* monotonic */
    bool looking, absent; /* somebody is at it; there was no file */
};

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void put_page(struct page *page)
{
    if (page != NULL && --page->readers == 0) {
        aliases_free(&page->aliases);
        mem_free(page);
    }
}

/* The whole file, and what it was when it was opened. */
static enum rc read_whole(const char *file, struct buf *to, struct stat *st)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char piece[65536];
    ssize_t n = -1;

    if (fd < 0)
        return errno == ENOENT ? RC_NOT_FOUND : RC_INVALID;
    if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
        while ((n = read(fd, piece, sizeof(piece))) > 0)
            if (buf_append(to, piece, (size_t)n) != RC_OK)
                break;
    close(fd);
    return n == 0 ? RC_OK : RC_INVALID;
}

/* RC_NOT_FOUND: there is none.  RC_INVALID: it is logged. */
static enum rc read_file(struct alias_book *b, struct stat *st, struct aliases **out)
{
    char why[ALIASES_WHY_BYTES];
    struct buf text;
    size_t line;
    enum rc rc;

    buf_init(&text, ALIASES_MAX_BYTES);
    errno = 0;
    rc = read_whole(b->file, &text, st);
    if (rc == RC_OK) {
        rc = aliases_parse(b->domains, buf_str(&text), '\n', out, &line, why);
        if (rc != RC_OK)
            log_error("aliases.bad_line", "file=%s line=%zu reason=\"%s\"", b->file, line,
                      why);
    } else if (rc == RC_INVALID) {
        log_error("aliases.unreadable", "file=%s reason=\"%s\"", b->file,
                  errno != 0 ? strerror(errno) : "no file, or more than 16 MB");
    }
    buf_fini(&text);
    return rc;
}

static void turn_page(struct alias_book *b, struct aliases *aliases)
{
    struct page *page = mem_alloc(sizeof(*page));

    page->aliases = aliases;
    page->readers = 1;
    pthread_mutex_lock(&b->lock);
    put_page(b->page);
    b->page = page;
    pthread_mutex_unlock(&b->lock);
    log_info("aliases.read", "file=%s entries=%zu", b->file, aliases_count(aliases));
}

/* Only by who set b->looking. */
static enum rc read_again(struct alias_book *b)
{
    struct aliases *aliases;
    struct stat st = { 0 };
    enum rc rc = read_file(b, &st, &aliases);

    b->seen = st;
    if (rc == RC_OK)
        turn_page(b, aliases);
    if (rc == RC_NOT_FOUND && !b->absent)
        log_warn("aliases.missing",
                 "file=%s advice=\"what was read last stays in force\"", b->file);
    b->absent = rc == RC_NOT_FOUND;
    return rc;
}

static void look(struct alias_book *b)
{
    struct stat now = { 0 };

    if (stat(b->file, &now) != 0)
        now = (struct stat){ 0 };
    if (!is_same(&now, &b->seen) && is_same(&now, &b->noticed))
        (void)read_again(b);
    b->noticed = now;
}

enum rc alias_book_new(const struct domains *d, str_t option, const char *file,
                       struct alias_book **out)
{
    struct alias_book *b = mem_alloc(sizeof(*b));
    char why[ALIASES_WHY_BYTES];
    size_t line;
    enum rc rc;

    b->domains = d;
    b->file = file;
    CHECK(pthread_mutex_init(&b->lock, NULL) == 0);
    *out = b;
    rc = aliases_parse(d, option, ';', &b->of_option, &line, why);
    if (rc != RC_OK)
        log_error("aliases.bad_option", "entry=%zu reason=\"%s\"", line, why);
    if (rc == RC_OK && file[0] != '\0') {
        rc = read_again(b);
        /* It may have been written in this very moment. */
        b->noticed = b->seen;
        b->seen.st_mtim.tv_nsec = -1;
    }
    if (rc == RC_NOT_FOUND)
        rc = RC_OK;
    if (rc != RC_OK)
        alias_book_free(out);
    return rc;
}

void alias_book_free(struct alias_book **pb)
{
    struct alias_book *b = *pb;

    if (b == NULL)
        return;
    put_page(b->page);
    aliases_free(&b->of_option);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
    *pb = NULL;
}

static bool is_time(struct alias_book *b)
{
    int64_t now_ms = clock_monotonic_ms();
    bool is = false;

    pthread_mutex_lock(&b->lock);
    if (!b->looking && now_ms >= b->look_at_ms) {
        b->look_at_ms = now_ms + ALIAS_BOOK_LOOK_MS;
        is = b->looking = true;
    }
    pthread_mutex_unlock(&b->lock);
    return is;
}

void alias_book_take(struct alias_book *b, struct alias_book_view *out)
{
    bool looks = b->file[0] != '\0' && is_time(b);

    if (looks)
        look(b);
    pthread_mutex_lock(&b->lock);
    if (looks)
        b->looking = false;
    if (b->page != NULL)
        b->page->readers++;
    *out = (struct alias_book_view){ .of_option = b->of_option,
                                     .of_file = b->page != NULL ? b->page->aliases : NULL,
                                     .waits = b->file[0] != '\0' && b->page == NULL,
                                     .held = b->page };
    pthread_mutex_unlock(&b->lock);
}

void alias_book_give_back(struct alias_book *b, struct alias_book_view *view)
{
    pthread_mutex_lock(&b->lock);
    put_page(view->held);
    pthread_mutex_unlock(&b->lock);
    *view = (struct alias_book_view){ 0 };
}
