/* svc_database.c - one connection that only asks how the others would fare. */
#include "svc/svc_database.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "store/db.h"
#include "store/migrate.h"
#include "store/store_clock.h"
#include "svc/svc_db.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ASK_GOOD_SECONDS = 5,
    ASK_BAD_SECONDS = 1,
    CONNECT_MS = 2000,
    WHY_BYTES = 480,
    CLOCK_MAX_MS = 5000,
    ANSWER_MAX_MS = 1000, /* a slower one says too little about the time */
};

enum state { STATE_UNKNOWN, STATE_AWAY, STATE_OLD_SCHEMA, STATE_CLOCK_OFF, STATE_GOOD };

struct svc_database {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopped;     /* under lock */
    enum state state; /* under lock, as what follows */
    int version;
    int64_t offset_ms;
    char why[WHY_BYTES]; /* while it is away */
    struct db *db;       /* the thread's */
    pthread_t thread;
};

static struct metric clock_offset = { METRIC_GAUGE,
                                      "postbus_clock_offset_ms",
                                      "",
                                      "PostgreSQL's clock minus this machine's.",
                                      0,
                                      { 0 },
                                      0,
                                      NULL };
static struct metric available = { METRIC_GAUGE,
                                   "postbus_database_up",
                                   "",
                                   "1 while PostgreSQL answers with the needed schema.",
                                   0,
                                   { 0 },
                                   0,
                                   NULL };
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    metric_register(&clock_offset);
    metric_register(&available);
}

/* Keeps what was found last when the answer is slow. */
static enum rc compare_clocks(struct svc_database *d, int64_t *offset_ms)
{
    int64_t began_ms = clock_monotonic_ms(), found_ms;
    enum rc rc = db_clock_offset_ms(d->db, &found_ms);

    if (rc != RC_OK || clock_monotonic_ms() - began_ms > ANSWER_MAX_MS)
        return rc;
    *offset_ms = found_ms;
    store_clock_measured(found_ms, llabs(found_ms) <= CLOCK_MAX_MS);
    return RC_OK;
}

static enum state ask(struct svc_database *d, int *version, int64_t *offset_ms)
{
    enum rc rc = RC_OK;

    if (!db_connected(d->db))
        rc = db_connect(d->db, deadline_in_ms(CONNECT_MS));
    if (rc == RC_OK && *version < migrate_latest())
        rc = migrate_version(d->db, version);
    if (rc == RC_OK && *version >= migrate_latest())
        rc = compare_clocks(d, offset_ms);
    db_reset(d->db);
    if (rc != RC_OK)
        return STATE_AWAY;
    if (*version < migrate_latest())
        return STATE_OLD_SCHEMA;
    return llabs(*offset_ms) > CLOCK_MAX_MS ? STATE_CLOCK_OFF : STATE_GOOD;
}

/* Under lock.  A question that failed is of a connection that is there no more, or of a
 * role that may not ask. */
static void note_why(struct svc_database *d)
{
    const char *why = db_why(d->db);

    if (!db_connected(d->db))
        snprintf(d->why, sizeof(d->why), "%s",
                 why[0] != '\0' ? why : "PostgreSQL ended the connection");
    else
        snprintf(d->why, sizeof(d->why), "it refuses to tell its schema: SQLSTATE %s",
                 db_sqlstate(d->db));
}

/* False: stopped. */
static bool wait_turn(struct svc_database *d)
{
    struct timespec until;
    bool go_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    pthread_mutex_lock(&d->lock);
    until.tv_sec += d->state == STATE_GOOD ? ASK_GOOD_SECONDS : ASK_BAD_SECONDS;
    while (!d->stopped && pthread_cond_timedwait(&d->wake, &d->lock, &until) == 0)
        continue;
    go_on = !d->stopped;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct svc_database *d = arg;
    int64_t offset_ms = 0;
    int version = 0;

    pthread_setname_np(pthread_self(), "database");
    do {
        enum state state = ask(d, &version, &offset_ms);

        pthread_mutex_lock(&d->lock);
        d->state = state;
        d->version = version;
        d->offset_ms = offset_ms;
        if (state == STATE_AWAY)
            note_why(d);
        pthread_mutex_unlock(&d->lock);
        metric_set(&clock_offset, offset_ms);
        metric_set(&available, state >= STATE_CLOCK_OFF);
    } while (wait_turn(d));
    return NULL;
}

struct svc_database *svc_database_new(const struct options *o, enum options_user user)
{
    struct svc_database *d = mem_alloc(sizeof(*d));
    pthread_condattr_t attr;

    pthread_once(&metrics_once, register_metrics);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
    d->db = svc_db_open(o, options_user_name(user));
    CHECK(pthread_create(&d->thread, NULL, run, d) == 0);
    return d;
}

void svc_database_free(struct svc_database **d)
{
    if (*d == NULL)
        return;
    pthread_mutex_lock(&(*d)->lock);
    (*d)->stopped = true;
    pthread_cond_signal(&(*d)->wake);
    pthread_mutex_unlock(&(*d)->lock);
    CHECK(pthread_join((*d)->thread, NULL) == 0);
    db_free(&(*d)->db);
    pthread_cond_destroy(&(*d)->wake);
    pthread_mutex_destroy(&(*d)->lock);
    mem_free(*d);
    *d = NULL;
}

const char *svc_database_missing(struct svc_database *d, char *reason, size_t room)
{
    const char *what = NULL;

    pthread_mutex_lock(&d->lock);
    switch (d->state) {
    case STATE_UNKNOWN:
        what = "database";
        snprintf(reason, room, "PostgreSQL has not answered yet");
        break;
    case STATE_AWAY:
        what = "database";
        snprintf(reason, room, "%s", d->why);
        break;
    case STATE_OLD_SCHEMA:
        what = "schema";
        snprintf(reason, room, "version %d is older than %d; run postbusctl migrate",
                 d->version, migrate_latest());
        break;
    case STATE_CLOCK_OFF:
        what = "clock";
        snprintf(reason, room, "PostgreSQL's is %" PRId64 " s ahead of ours",
                 d->offset_ms / 1000);
        break;
    case STATE_GOOD:
        break;
    }
    pthread_mutex_unlock(&d->lock);
    return what;
}

static enum state state_of(struct svc_database *d)
{
    enum state state;

    pthread_mutex_lock(&d->lock);
    state = d->state;
    pthread_mutex_unlock(&d->lock);
    return state;
}

bool svc_database_was_asked(struct svc_database *d)
{
    return state_of(d) != STATE_UNKNOWN;
}

bool svc_database_is_ok(struct svc_database *d)
{
    return state_of(d) >= STATE_CLOCK_OFF;
}
