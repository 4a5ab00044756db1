/* batch.c - one transaction of a queue-worker, from the claim to the commit. */
#include "batch.h"

#include "base/arena.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/metric.h"
#include "keyring.h"
#include "store/db.h"
#include "store/store_remote.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum { FAILED_MAX = 64, COLLISIONS_MAX = 3, RECOVER_MS = 3000 };

#define COUNTER(id, name_, help_)                                                        \
    static struct metric id = {                                                          \
        .kind = METRIC_COUNTER, .name = "postbus_" name_, .labels = "", .help = help_    \
    }

COUNTER(delivered, "delivered_mail", "Copies put into mailboxes.");
COUNTER(quota_exceeded, "quota_exceeded", "Recipients refused because of their quota.");
COUNTER(sent_on, "remote_queued", "Messages handed to remote-sender, per destination.");
COUNTER(signed_mail, "dkim_signed", "Messages to other servers that were signed.");
COUNTER(busy, "busy_mailboxes", "Recipients put off because of a locked mailbox.");
COUNTER(behind, "kept_in_order", "Recipients put off because of an older message.");
COUNTER(bounced, "bounces", "Reports of failed delivery that were queued.");
COUNTER(aside, "set_aside", "Messages set aside because their delivery broke off.");

static void register_metrics(void)
{
    metric_register(&delivered);
    metric_register(&quota_exceeded);
    metric_register(&sent_on);
    metric_register(&signed_mail);
    metric_register(&busy);
    metric_register(&behind);
    metric_register(&bounced);
    metric_register(&aside);
}

void batch_init(struct batch *b, struct db *db, const struct deliver_rules *rules,
                size_t rows_max, int attempts_max)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_metrics);
    *b = (struct batch){
        .db = db,
        .rules = rules,
        .rows_max = rows_max < STORE_QUEUE_BATCH_MAX ? rows_max : STORE_QUEUE_BATCH_MAX,
        .attempts_max = attempts_max,
        .arena = arena_new(),
    };
}

void batch_fini(struct batch *b)
{
    arena_free(&b->arena);
}

static struct bounce_office office(const struct batch *b)
{
    return (struct bounce_office){ .route = &b->rules->route,
                                   .hostname = b->rules->hostname };
}

/* Queue the bounces, commit, count, and say what happened. */
static enum rc conclude(struct batch *b, size_t rows, const struct deliver_done *d,
                        struct batch_news *news)
{
    struct bounce_office from = office(b);
    size_t bounces = 0;
    enum rc rc =
        bounce_queue(b->arena, b->db, &from, d->failed, d->failed_count, &bounces);

    if (rc == RC_OK)
        rc = db_commit(b->db);
    if (rc != RC_OK)
        return rc;
    b->collisions = 0;
    metric_add(&delivered, (int64_t)d->copies);
    metric_add(&quota_exceeded, (int64_t)d->over_quota);
    metric_add(&sent_on, (int64_t)d->remote_rows);
    metric_add(&signed_mail, (int64_t)d->signed_count);
    metric_add(&busy, (int64_t)d->busy);
    metric_add(&behind, (int64_t)d->behind);
    metric_add(&bounced, (int64_t)bounces);
    log_debug("queue.batch", "rows=%zu copies=%zu remote=%zu bounces=%zu", rows,
              d->copies, d->remote_rows, bounces);
    news->rows = rows - d->put_back;
    news->box = d->box;
    news->box_count = d->box_count;
    news->remote_rows = d->remote_rows;
    news->retry_ms = d->retry_ms;
    news->bounces = bounces;
    return RC_OK;
}

/* Recipients are what a batch locks: how many rows can be done together. */
static size_t what_fits(const struct store_queue_row *rows, size_t n)
{
    size_t recipients = 0, kept = 0;

    while (kept < n) {
        recipients += rows[kept].recipient_count;
        if (kept > 0 && recipients > DELIVER_RECIPIENTS_MAX)
            break;
        kept++;
    }
    return kept;
}

/* All its recipients, and nothing of the message itself, which is under suspicion. */
static struct bounce give_up(struct batch *b, const struct store_queue_row *row)
{
    struct dsn_recipient *r = arena_array(b->arena, row->recipient_count, sizeof(*r));

    for (size_t i = 0; i < row->recipient_count; i++)
        r[i] = (struct dsn_recipient){
            .address = row->recipients[i],
            .status = S("5.3.0"),
            .diagnostic = S("554 5.3.0 The message cannot be delivered by this server"),
        };
    return (struct bounce){ .sender = row->sender,
                            .body_id = row->body_id,
                            .arrival_unix = row->idate_unix,
                            .failed = r,
                            .failed_count = row->recipient_count,
                            .envelope = row->envelope };
}

/* Kept for the operator, and its sender is told (tell). */
static enum rc set_aside(struct batch *b, const struct store_queue_row *row,
                         const char *reason, bool tell, struct batch_news *news)
{
    struct bounce bounce = give_up(b, row);
    struct bounce_office from = office(b);
    enum rc rc;

    db_begin(b->db);
    rc = store_queue_set_aside(b->db, row, str_of(reason));
    if (rc == RC_NOT_FOUND) /* somebody else is at it now */
        return RC_OK;
    if (rc == RC_OK && tell)
        rc = bounce_queue(b->arena, b->db, &from, &bounce, 1, &news->bounces);
    if (rc == RC_OK)
        rc = db_commit(b->db);
    if (rc != RC_OK)
        return rc;
    log_error("queue.set_aside", "queue=%016" PRIx64 " attempts=%d reason=\"%s\"",
              (uint64_t)row->body_id, row->attempts, reason);
    metric_add(&aside, 1);
    metric_add(&bounced, (int64_t)news->bounces);
    return RC_OK;
}

static bool is_content(enum rc rc)
{
    return rc != RC_OK && !rc_info(rc)->retryable;
}

/* A refused batch of one names the culprit; of more it is split.  An id of ours that was
 * taken already (RC_EXISTS) is nobody's fault: the next try draws others. */
static enum rc after_refusal(struct batch *b, const struct store_queue_row *rows,
                             size_t n, enum rc rc, struct batch_news *news)
{
    db_rollback(b->db);
    b->cursor = (struct store_queue_cursor){ 0 };
    if (n > 1) {
        b->singly = n;
        return RC_OK;
    }
    if (rc == RC_EXISTS && b->collisions++ < COLLISIONS_MAX) {
        b->singly++;
        return RC_OK;
    }
    return set_aside(b, &rows[0], arena_printf(b->arena, "refused: %s", rc_name(rc)),
                     true, news);
}

static enum rc claim_and_deliver(struct batch *b, size_t limit, struct batch_news *news)
{
    struct store_queue_row *rows;
    struct deliver_done done;
    size_t n, kept;
    enum rc rc;

    db_begin(b->db);
    rc = store_queue_claim(b->arena, b->db, &b->cursor, limit, &rows, &n);
    if (rc != RC_OK || n == 0)
        return rc;
    kept = what_fits(rows, n);
    rc = deliver(b->arena, b->db, b->rules, b->keys, rows, kept, &done);
    if (kept < n) /* they keep their place, which the cursor has passed */
        b->cursor = (struct store_queue_cursor){ 0 };
    for (size_t i = kept; i < n && rc == RC_OK; i++)
        store_queue_requeue(b->db, &rows[i]);
    if (rc == RC_OK)
        rc = conclude(b, kept, &done, news);
    news->more = rc == RC_OK && (n == limit || kept < n);
    if (is_content(rc)) {
        *news = (struct batch_news){ .more = true };
        rc = after_refusal(b, rows, kept, rc, news);
    }
    return rc;
}

static void start(struct batch *b, struct batch_news *news)
{
    arena_reset(b->arena);
    *news = (struct batch_news){ 0 };
}

/* Whatever was not committed is given back. */
static enum rc finish(struct batch *b, enum rc rc)
{
    if (rc != RC_OK)
        snprintf(b->sqlstate, sizeof(b->sqlstate), "%s", db_sqlstate(b->db));
    db_reset(b->db);
    if (rc != RC_OK)
        b->cursor = (struct store_queue_cursor){ 0 };
    return rc;
}

static enum rc refresh_keys(struct batch *b)
{
    return b->keys == NULL ? RC_OK : keyring_refresh(b->keys, b->db);
}

enum rc batch_run(struct batch *b, struct batch_news *news)
{
    size_t limit = b->singly > 0 ? 1 : b->rows_max;
    enum rc rc;

    start(b, news);
    rc = refresh_keys(b);
    if (rc != RC_OK)
        return finish(b, rc);
    if (b->singly > 0)
        b->singly--;
    return finish(b, claim_and_deliver(b, limit, news));
}

static enum rc deliver_suspect(struct batch *b, const struct store_queue_row *row,
                               struct batch_news *news)
{
    struct deliver_done done;
    enum rc rc;

    db_begin(b->db);
    rc = store_queue_take(b->db, row);
    if (rc == RC_OK)
        rc = deliver(b->arena, b->db, b->rules, b->keys, row, 1, &done);
    if (rc == RC_OK)
        rc = conclude(b, 1, &done, news);
    if (is_content(rc) && rc != RC_NOT_FOUND)
        rc = after_refusal(b, row, 1, rc, news);
    return rc;
}

/* The database was in trouble, we are alive: not the message's fault.  If even this
 * fails, it has some turns left. */
static void exonerate(struct batch *b, const struct store_queue_row *row)
{
    db_reset(b->db);
    if (db_connect(b->db, deadline_in_ms(RECOVER_MS)) == RC_OK &&
        store_queue_survived(b->db, row) != RC_OK)
        log_debug("queue.not_exonerated", "queue=%016" PRIx64, (uint64_t)row->body_id);
}

enum rc batch_run_suspect(struct batch *b, struct batch_news *news)
{
    struct store_queue_row row;
    enum rc rc;

    start(b, news);
    rc = refresh_keys(b);
    if (rc == RC_OK)
        rc = store_queue_suspect(b->arena, b->db, &row);
    if (rc == RC_OK && row.attempts > b->attempts_max) {
        /* What kills also whoever tells of it goes without a word. */
        rc = set_aside(b, &row, "delivery broke off too often",
                       row.attempts == b->attempts_max + 1, news);
    } else if (rc == RC_OK) {
        rc = deliver_suspect(b, &row, news);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            exonerate(b, &row);
    }
    return finish(b, rc);
}

static struct dsn_recipient *failed_recipients(struct arena *a,
                                               const struct store_remote_failed *f)
{
    struct dsn_recipient *r = arena_array(a, f->failure_count + 1, sizeof(*r));

    for (size_t i = 0; i < f->failure_count; i++)
        r[i] = (struct dsn_recipient){
            .address = f->failures[i].recipient,
            .status = f->failures[i].status,
            .diagnostic = f->failures[i].diagnostic,
            .remote_mta = f->failures[i].remote_mta,
        };
    return r;
}

static enum rc bounce_failed(struct batch *b, struct batch_news *news)
{
    struct store_remote_failed *failed;
    struct deliver_done done = { 0 };
    size_t n;
    enum rc rc;

    db_begin(b->db);
    rc = store_remote_claim_failed(b->arena, b->db, FAILED_MAX, &failed, &n);
    if (rc != RC_OK || n == 0)
        return rc;
    news->more = n == FAILED_MAX;
    done.failed = arena_array(b->arena, n, sizeof(*done.failed));
    for (size_t i = 0; i < n; i++)
        if (failed[i].failure_count > 0)
            done.failed[done.failed_count++] = (struct bounce){
                .sender = failed[i].sender,
                .body_id = failed[i].body_id,
                .size = failed[i].size,
                .arrival_unix = failed[i].created_unix,
                .failed = failed_recipients(b->arena, &failed[i]),
                .failed_count = failed[i].failure_count,
                .envelope = failed[i].envelope,
            };
    return conclude(b, n, &done, news);
}

enum rc batch_run_failed(struct batch *b, struct batch_news *news)
{
    start(b, news);
    return finish(b, bounce_failed(b, news));
}
