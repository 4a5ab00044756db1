/* deliver.c - carry out a claimed batch: mailboxes, other hosts, failures. */
#include "deliver.h"

#include "base/arena.h"
#include "base/log.h"
#include "account/route.h"
#include "keyring.h"
#include "order.h"
#include "prefix.h"
#include "sign.h"
#include "mail/envelope.h"
#include "store/db.h"
#include "store/store_remote.h"

#include <inttypes.h>

enum {
    REMOTE_ROWS_PER_FLUSH = 1000,
    /* Between two tries to reach a busy mailbox, each a quarter longer than the last. */
    RETRY_MIN_MS = 5,
    RETRY_MAX_MS = 5000,
};

/* A queue row and where its recipients are. */
struct job {
    const struct store_queue_row *row;
    struct envelope envelope;
    struct route *route;
    size_t route_count;
    struct dsn_recipient *failed; /* room for all recipients */
    size_t failed_count;
    str_t signature; /* for other hosts */
    str_t *later;    /* recipients to be tried again; room for all */
    size_t later_count;
    int64_t due_us; /* when */
    bool tried;     /* in vain, so that the next time is further away */
};

struct run {
    struct arena *arena;
    struct db *db;
    const struct deliver_rules *rules;
    const struct keyring *keys; /* NULL: nothing is signed */
    struct store_deliver *boxes;
    struct order *order; /* NULL: not asked for */
    struct deliver_done *done;
};

static struct job *plan(struct run *r, const struct store_queue_row *rows, size_t n)
{
    struct job *jobs = arena_array(r->arena, n, sizeof(*jobs));

    for (size_t i = 0; i < n; i++) {
        jobs[i].row = &rows[i];
        (void)envelope_parse(rows[i].envelope, &jobs[i].envelope);
        jobs[i].route_count = route_all(r->arena, &r->rules->route, rows[i].recipients,
                                        rows[i].recipient_count, &jobs[i].route);
    }
    return jobs;
}

/* What others wrote and an alias sends on keeps their signature alone, also where it has
 * no sender: who it is from has not been proven to be one of us. */
static bool is_to_be_signed(const struct job *j)
{
    if (!j->envelope.submission && !j->envelope.report)
        return false;
    for (size_t i = 0; i < j->route_count && !j->envelope.quarantine; i++)
        if (j->route[i].kind == ROUTE_REMOTE)
            return true;
    return false;
}

/* Before any mailbox is locked: it takes time, and others must not wait for it. */
static enum rc sign_what_leaves(struct run *r, struct job *jobs, size_t n)
{
    struct sign *list;
    size_t count = 0;
    enum rc rc;

    if (r->keys == NULL || r->keys->state != KEYRING_READY)
        return RC_OK;
    list = arena_array(r->arena, n, sizeof(*list));
    for (size_t i = 0; i < n; i++)
        if (is_to_be_signed(&jobs[i]))
            list[count++].row = jobs[i].row;
    rc = count == 0 ? RC_OK : sign(r->arena, r->db, r->keys, list, count);
    for (size_t i = 0, k = 0; i < n && k < count; i++)
        if (jobs[i].row == list[k].row)
            jobs[i].signature = list[k++].fields;
    for (size_t k = 0; k < count; k++)
        r->done->signed_count += list[k].fields.n > 0;
    return rc;
}

static size_t count_local(const struct job *jobs, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < jobs[i].route_count; k++)
            count += jobs[i].route[k].kind == ROUTE_LOCAL;
    return count;
}

/* The mailboxes Junk of those for whom quarantined mail is here, which is seldom. */
static enum rc lock_junk(struct run *r, const struct job *jobs, size_t n, size_t room)
{
    str_t *addresses = NULL;
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < jobs[i].route_count && jobs[i].envelope.quarantine; k++) {
            if (addresses == NULL)
                addresses = arena_array(r->arena, room, sizeof(*addresses));
            if (jobs[i].route[k].kind == ROUTE_LOCAL)
                addresses[count++] = jobs[i].route[k].address;
        }
    }
    return count > 0 ? store_deliver_lock_junk(r->boxes, r->db, addresses, count) : RC_OK;
}

/* And see what they must wait for.  A suspect waits for nobody, as nobody does for it. */
static enum rc lock_boxes(struct run *r, const struct job *jobs, size_t n)
{
    size_t all = count_local(jobs, n), count = 0;
    bool ordered = n > 0 && jobs[0].row->attempts <= 1;
    str_t *addresses;
    enum rc rc;

    if (all == 0)
        return RC_OK;
    addresses = arena_array(r->arena, all, sizeof(*addresses));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < jobs[i].route_count; k++)
            if (jobs[i].route[k].kind == ROUTE_LOCAL)
                addresses[count++] = jobs[i].route[k].address;
    if (ordered)
        store_queue_ask_elders(r->arena, r->db, jobs[0].row, n);
    rc = store_deliver_lock(r->arena, r->db, ordered, addresses, count, &r->boxes);
    if (rc == RC_OK && ordered)
        r->order = order_read(r->arena, r->db, 0, &r->rules->route, jobs[0].row, n);
    return rc == RC_OK ? lock_junk(r, jobs, n, all) : rc;
}

static void add_failure(struct run *r, struct job *j, str_t recipient, const char *status,
                        const char *diagnostic)
{
    if (j->failed == NULL)
        j->failed = arena_array(r->arena, j->row->recipient_count, sizeof(*j->failed));
    j->failed[j->failed_count++] = (struct dsn_recipient){
        .address = recipient,
        .status = str_of(status),
        .diagnostic = str_of(diagnostic),
    };
}

static int64_t pause_us(int puts)
{
    int64_t us = RETRY_MIN_MS * 1000;

    for (int i = 0; i < puts && us < RETRY_MAX_MS * 1000; i++)
        us += us / 4;
    return us < RETRY_MAX_MS * 1000 ? us : RETRY_MAX_MS * 1000;
}

static void put_off(struct run *r, struct job *j, const struct route *to, int64_t due_us)
{
    if (j->later == NULL)
        j->later = arena_array(r->arena, j->row->recipient_count, sizeof(*j->later));
    j->later[j->later_count++] = to->recipient;
    if (due_us > j->due_us)
        j->due_us = due_us;
}

static void put_off_a_while(struct run *r, struct job *j, const struct route *to)
{
    j->tried = true;
    put_off(r, j, to, j->row->now_us + pause_us(j->row->puts));
}

/* For days, which are counted in tries, since a clock may have jumped. */
static bool has_waited_long(const struct run *r, const struct job *j)
{
    return j->row->puts > r->rules->remote_lifetime_s * 1000 / RETRY_MAX_MS;
}

/* The mailbox is somebody else's for the moment.  Who holds it for days is no mailbox. */
static void wait_for_box(struct run *r, struct job *j, const struct route *to)
{
    if (has_waited_long(r, j)) {
        add_failure(r, j, to->recipient, "4.2.1", "450 4.2.1 Mailbox is busy");
        return;
    }
    put_off_a_while(r, j, to);
    r->done->busy++;
}

/* Unsigned, it would be refused for good. */
static void wait_for_key(struct run *r, struct job *j, const struct route *to)
{
    if (has_waited_long(r, j))
        add_failure(r, j, to->recipient, "4.7.5", "450 4.7.5 Message cannot be signed");
    else
        put_off_a_while(r, j, to);
}

/* Behind the older message, wherever that has its place in the queue.  One that is due
 * is in somebody's hands, unless it is overdue and waits to be marked. */
static void wait_for_older(struct run *r, struct job *j, const struct route *to,
                           int64_t older_due_us)
{
    int64_t now_us = j->row->now_us;

    if (older_due_us <= now_us &&
        older_due_us > now_us - STORE_QUEUE_OVERDUE_S * INT64_C(1000000))
        put_off_a_while(r, j, to);
    else
        put_off(r, j, to, older_due_us);
    r->done->behind++;
}

static enum rc deliver_local(struct run *r, struct job *j, const struct route *to)
{
    struct store_deliver_box *box = store_deliver_find(r->boxes, to->address);
    int64_t older_due_us;
    enum rc rc;

    if (box == NULL) {
        add_failure(r, j, to->recipient, "5.1.1",
                    arena_printf(r->arena, "550 5.1.1 <%.*s> User doesn't exist: %.*s",
                                 STR_ARG(to->recipient), STR_ARG(to->recipient)));
        return RC_OK;
    }
    if (r->order != NULL &&
        order_is_behind(r->order, j->row, to->address, &older_due_us)) {
        wait_for_older(r, j, to, older_due_us);
        return RC_OK;
    }
    if (!box->busy && j->envelope.quarantine)
        box = box->junk;
    if (box != NULL && box->busy) {
        wait_for_box(r, j, to);
        return RC_OK;
    }
    rc = box == NULL ? RC_LIMIT
                     : store_deliver_add(r->boxes, box, j->row->body_id, j->row->size,
                                         j->row->idate_unix);
    if (rc == RC_OK) {
        r->done->copies++;
    } else if (rc == RC_LIMIT) {
        r->done->over_quota++;
        add_failure(
            r, j, to->recipient, "5.2.2",
            arena_printf(r->arena,
                         "552 5.2.2 <%.*s> Quota exceeded (mailbox for user is full)",
                         STR_ARG(to->recipient)));
        rc = RC_OK;
    }
    return rc;
}

/* What is under suspicion here is not passed on to others. */
static void keep_from_others(struct run *r, struct job *j, const struct route *to)
{
    add_failure(r, j, to->recipient, "5.7.0",
                "550 5.7.0 The message is in quarantine and does not leave this server");
}

/* One row for all recipients of one destination; *taken: how many routes that were. */
static enum rc send_remote(struct run *r, const struct job *j, size_t first,
                           size_t *taken)
{
    const struct route *to = &j->route[first];
    str_t *recipients =
        arena_array(r->arena, j->route_count - first, sizeof(*recipients));
    size_t n = 0;
    struct prefix_facts facts = {
        .hostname = r->rules->hostname,
        .body_id = j->row->body_id,
        .arrival_unix = j->row->idate_unix,
        .envelope = j->row->envelope,
        .signature = j->signature,
    };
    struct store_remote_row row = {
        .body_id = j->row->body_id,
        .size = j->row->size,
        .domain = to->domain,
        .transport = routes_find(&r->rules->routes, to->domain),
        .sender = j->row->sender,
        .recipients = recipients,
        .envelope = j->row->envelope,
    };

    while (first + n < j->route_count && to[n].kind == ROUTE_REMOTE &&
           str_eq(to[n].domain, to->domain)) {
        recipients[n] = to[n].address;
        n++;
    }
    row.recipient_count = n;
    row.envelope = envelope_narrow(r->arena, row.envelope, recipients, n);
    row.prefix = prefix_compose(r->arena, &facts);
    store_remote_add(r->db, &row, r->rules->remote_lifetime_s);
    r->done->remote_rows++;
    *taken = n;
    /* One flush carries a bounded number of statements. */
    return r->done->remote_rows % REMOTE_ROWS_PER_FLUSH == 0 ? db_flush(r->db) : RC_OK;
}

static enum rc deliver_one(struct run *r, struct job *j)
{
    bool shut = r->keys != NULL && r->keys->state == KEYRING_SHUT && is_to_be_signed(j);
    enum rc rc = RC_OK;
    size_t i = 0;

    while (i < j->route_count && rc == RC_OK) {
        const struct route *to = &j->route[i];
        size_t taken = 1;

        if (to->kind == ROUTE_REMOTE && j->envelope.quarantine)
            keep_from_others(r, j, to);
        else if (to->kind == ROUTE_REMOTE && shut)
            wait_for_key(r, j, to);
        else if (to->kind == ROUTE_REMOTE)
            rc = send_remote(r, j, i, &taken);
        else if (to->kind == ROUTE_LOCAL)
            rc = deliver_local(r, j, to);
        else
            add_failure(r, j, to->recipient, "5.1.3",
                        "553 5.1.3 No mail can be sent to such an address");
        i += taken;
    }
    return rc;
}

static void put_back(struct run *r, const struct job *j)
{
    struct store_queue_row row = *j->row;
    int64_t ms = (j->due_us - row.now_us + 999) / 1000;

    if (j->later_count == 0)
        return;
    row.recipients = j->later;
    row.recipient_count = j->later_count;
    row.due_us = j->due_us;
    row.puts += j->tried;
    store_queue_requeue(r->db, &row);
    r->done->put_back++;
    if (ms > 0 && (r->done->retry_ms == 0 || ms < r->done->retry_ms))
        r->done->retry_ms = ms;
}

/* Of quarantined mail only accounts of ours are told: whoever another server names as its
 * sender may have nothing to do with it. */
static void note_failed(struct run *r, const struct job *j)
{
    if (j->failed_count > 0 && j->envelope.quarantine && !j->envelope.submission) {
        log_info("queue.dropped", "queue=%016" PRIx64 " recipients=%zu reason=quarantine",
                 (uint64_t)j->row->body_id, j->failed_count);
        return;
    }
    if (j->failed_count > 0)
        r->done->failed[r->done->failed_count++] = (struct bounce){
            .sender = j->row->sender,
            .body_id = j->row->body_id,
            .size = j->row->size,
            .arrival_unix = j->row->idate_unix,
            .failed = j->failed,
            .failed_count = j->failed_count,
            .envelope = j->row->envelope,
        };
}

enum rc deliver(struct arena *a, struct db *db, const struct deliver_rules *rules,
                const struct keyring *keys, const struct store_queue_row *rows, size_t n,
                struct deliver_done *out)
{
    struct run r = { .arena = a, .db = db, .rules = rules, .keys = keys, .done = out };
    struct job *jobs = plan(&r, rows, n);
    enum rc rc;

    *out = (struct deliver_done){ .failed = arena_array(a, n, sizeof(*out->failed)) };
    rc = sign_what_leaves(&r, jobs, n);
    if (rc == RC_OK)
        rc = lock_boxes(&r, jobs, n);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        rc = deliver_one(&r, &jobs[i]);
        note_failed(&r, &jobs[i]);
        put_back(&r, &jobs[i]);
    }
    if (rc == RC_OK && r.boxes != NULL) {
        store_deliver_put(r.boxes, db);
        out->box = store_deliver_boxes(r.boxes, &out->box_count);
    }
    return rc;
}
