/* federation_book.c - the federation lists, as a service has them at hand. */
#include "svc/federation_book.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/mem.h"
#include "svc/options.h"
#include "svc/svc_db.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>

enum {
    STATEMENT_SECONDS = 5, /* a stop waits for one that is under way */
    TRIES = 3,             /* at the start, when the database was there a moment ago */
    REST_MS = 250,         /* between two readings: many changes are read together */
    RETRY_MS = 2000,       /* after one that failed */
};

/* One state of the table. */
struct page {
    struct arena *arena; /* holds it */
    struct federation *lists;
    const struct store_federation_row *rows;
    size_t count;
};

struct federation_book {
    struct options options;
    const char *name;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct page *page; /* lock */
    bool woken, ended; /* lock */
};

static void free_page(struct page *page)
{
    if (page == NULL)
        return;
    arena_free(&page->arena);
    mem_free(page);
}

static enum rc read_page(struct federation_book *b, struct page **out)
{
    struct page *page = mem_alloc(sizeof(*page));
    struct db *db = svc_db_open(&b->options, b->name);
    struct store_federation_row *rows;
    enum rc rc;

    page->arena = arena_new();
    rc = store_federation_list(page->arena, db, &rows, &page->count);
    if (rc == RC_OK) {
        page->rows = rows;
        page->lists = federation_new(page->arena, rows, page->count);
    } else
        log_warn("federation.not_read", "rc=%s sqlstate=%s", rc_name(rc),
                 db_sqlstate(db));
    db_free(&db);
    if (rc != RC_OK) {
        free_page(page);
        page = NULL;
    }
    *out = page;
    return rc;
}

static bool is_same(const struct page *x, const struct page *y)
{
    if (x == NULL || x->count != y->count)
        return false;
    for (size_t i = 0; i < x->count; i++)
        if (!str_eq(x->rows[i].pattern, y->rows[i].pattern) ||
            x->rows[i].directions != y->rows[i].directions ||
            x->rows[i].blocks != y->rows[i].blocks)
            return false;
    return true;
}

/* A page without news is not turned: what was taken early stays where it is, and no new
 * piece comes to lie behind what connections give back. */
static bool turn_page(struct federation_book *b)
{
    struct page *page, *last = b->page; /* changed only here */

    if (read_page(b, &page) != RC_OK)
        return false;
    if (is_same(last, page)) {
        free_page(page);
        return true;
    }
    pthread_mutex_lock(&b->lock);
    b->page = page;
    pthread_mutex_unlock(&b->lock);
    log_info("federation.read", "rows=%zu", page->count);
    free_page(last);
    return true;
}

/* False: the book is closed. */
static bool await(struct federation_book *b, int64_t wait_ms, bool until_woken)
{
    struct deadline until = deadline_in_ms(wait_ms);
    bool ended;

    pthread_mutex_lock(&b->lock);
    while (!b->ended && !(until_woken && b->woken) &&
           cond_wait(&b->wake, &b->lock, until))
        ;
    if (until_woken)
        b->woken = false;
    ended = b->ended;
    pthread_mutex_unlock(&b->lock);
    return !ended;
}

static void *turn_main(void *arg)
{
    log_context("federation");
    return turn_page(arg) ? arg : NULL;
}

/* In a thread that ends: what the C library keeps for a thread would pin the memory that
 * a storm of connections gives back. */
static bool turn_aside(struct federation_book *b)
{
    pthread_t thread;
    void *turned;

    if (pthread_create(&thread, NULL, turn_main, b) != 0)
        return false;
    CHECK(pthread_join(thread, &turned) == 0);
    return turned != NULL;
}

static void *book_main(void *arg)
{
    struct federation_book *b = arg;
    int64_t wait_ms = FEDERATION_BOOK_TTL_MS;

    log_context("federation");
    while (await(b, REST_MS, false) && await(b, wait_ms, true))
        wait_ms = turn_aside(b) ? FEDERATION_BOOK_TTL_MS : RETRY_MS;
    return NULL;
}

enum rc federation_book_new(const struct options *o, const char *name,
                            struct federation_book **out)
{
    struct federation_book *b = mem_alloc(sizeof(*b));
    int tries = 1;

    b->options = *o;
    b->name = name;
    if (b->options.database_statement_seconds > STATEMENT_SECONDS)
        b->options.database_statement_seconds = STATEMENT_SECONDS;
    CHECK(pthread_mutex_init(&b->lock, NULL) == 0);
    cond_init(&b->wake);
    while (!turn_page(b) && tries++ < TRIES)
        poll(NULL, 0, REST_MS);
    if (b->page == NULL) {
        pthread_cond_destroy(&b->wake);
        pthread_mutex_destroy(&b->lock);
        mem_free(b);
        return RC_RETRY;
    }
    CHECK(pthread_create(&b->thread, NULL, book_main, b) == 0);
    pthread_setname_np(b->thread, "federation");
    *out = b;
    return RC_OK;
}

static void tell(struct federation_book *b, bool *what)
{
    pthread_mutex_lock(&b->lock);
    *what = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void federation_book_free(struct federation_book **pb)
{
    struct federation_book *b = *pb;

    if (b == NULL)
        return;
    tell(b, &b->ended);
    pthread_join(b->thread, NULL);
    free_page(b->page);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
    *pb = NULL;
}

void federation_book_wake(struct federation_book *b)
{
    if (b != NULL)
        tell(b, &b->woken);
}

bool federation_book_blocks(struct federation_book *b, str_t domain,
                            enum federation_direction direction)
{
    bool blocks;

    if (b == NULL)
        return false;
    pthread_mutex_lock(&b->lock);
    blocks = federation_blocks(b->page->lists, domain, direction);
    pthread_mutex_unlock(&b->lock);
    return blocks;
}
