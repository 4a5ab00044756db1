/* bounce.c - mail that cannot be delivered goes back to its sender, as a new message. */
#include "bounce.h"

#include "account/route.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/domains.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "store/db.h"
#include "store/store_body.h"
#include "store/store_queue.h"

#include <inttypes.h>

bool bounce_is_wanted(str_t sender)
{
    struct address a;

    return address_parse(sender, ADDRESS_UTF8 | ADDRESS_FULL, &a) == RC_OK;
}

static void log_dropped(const struct bounce *b, size_t recipients)
{
    log_info("queue.dropped", "queue=%016" PRIx64 " recipients=%zu reason=%s",
             (uint64_t)b->body_id, recipients,
             b->sender.n == 0              ? "null-sender"
             : bounce_is_wanted(b->sender) ? "not-wanted"
                                           : "bad-sender");
}

/* RFC 3461 4.1, 5.2.4: a failure is told unless the sender has named other things. */
static bool wants_failure(unsigned notify)
{
    return notify == 0 || (notify & ENVELOPE_NOTIFY_FAILURE) != 0;
}

/* A report that is to be made. */
struct report {
    const struct bounce *bounce;
    struct envelope envelope; /* of the failed message */
    struct dsn_recipient *recipients;
    size_t recipient_count;
};

/* False: there is nobody to tell, or nothing. */
static bool prepare(struct arena *a, const struct bounce *b, struct report *out)
{
    *out = (struct report){ .bounce = b };
    if (!bounce_is_wanted(b->sender))
        return false;
    (void)envelope_parse(b->envelope, &out->envelope);
    out->recipients = arena_array(a, b->failed_count + 1, sizeof(*out->recipients));
    for (size_t i = 0; i < b->failed_count; i++) {
        struct dsn_recipient r = b->failed[i];
        struct envelope_recipient said;

        (void)envelope_find(a, &out->envelope, r.address, &said);
        r.original = said.orcpt;
        if (wants_failure(said.notify))
            out->recipients[out->recipient_count++] = r;
    }
    if (out->recipient_count < b->failed_count && out->recipient_count > 0)
        log_dropped(b, b->failed_count - out->recipient_count);
    return out->recipient_count > 0;
}

/* RFC 3461 4.3; what is secret goes back without its body (RFC 8689 5). */
static bool is_returned_whole(const struct report *r)
{
    return r->envelope.ret == ENVELOPE_RET_FULL && !r->envelope.requiretls &&
           r->bounce->size <= DSN_MAX_FULL_BYTES;
}

/* As smtp-ingress does, for what it accepts. */
static str_t make_envelope(struct arena *a, const struct bounce_office *o, str_t message,
                           const struct report *r)
{
    struct envelope e = { .report = true, .requiretls = r->envelope.requiretls };
    struct route route;

    route_find(a, o->route, r->bounce->sender, &route);
    if (route.kind == ROUTE_REMOTE)
        envelope_hash_body(&e, str_skip(message, header_end(message)));
    return envelope_format(a, &e);
}

static enum rc queue_one(struct arena *a, struct db *db, const struct bounce_office *o,
                         const struct report *r, str_t original)
{
    const struct bounce *b = r->bounce;
    char *id = arena_printf(a, "%016" PRIx64, (uint64_t)b->body_id);
    struct dsn d = {
        .domain = domains_first(o->route->domains),
        .hostname = o->hostname,
        .to = b->sender,
        .token = str_of(arena_printf(a, "%016" PRIx64, crypto_random_u64())),
        .queue_id = str_of(id),
        .arrival_unix = b->arrival_unix,
        .now_unix = clock_unix(),
        .recipients = r->recipients,
        .recipient_count = r->recipient_count,
        .original = original,
        .envid = envelope_envid(a, &r->envelope),
        .is_whole = is_returned_whole(r),
    };
    struct store_queue_new row = {
        .message = dsn_compose(a, &d),
        .recipients = &b->sender,
        .recipient_count = 1,
    };

    row.envelope = make_envelope(a, o, row.message, r);
    log_info("queue.bounced", "queue=%s recipients=%zu status=%.*s", id,
             r->recipient_count, STR_ARG(r->recipients[0].status));
    return store_queue_add(db, &row);
}

/* What is left of the failed messages' headers; a body that has expired leaves none. */
static enum rc read_originals(struct arena *a, struct db *db, const struct report *r,
                              size_t n, struct store_body_want **out)
{
    struct store_body_want *want = arena_array(a, n, sizeof(*want));
    enum rc rc;

    for (size_t i = 0; i < n; i++)
        want[i] = (struct store_body_want){ .body_id = r[i].bounce->body_id,
                                            .size = r[i].bounce->size };
    *out = want;
    rc = store_body_heads(a, db, want, n, DSN_MAX_HEADER_BYTES);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        if (!is_returned_whole(&r[i]))
            continue;
        rc = store_body_read(a, db, want[i].body_id, want[i].size, 0,
                             (size_t)want[i].size, &want[i].head);
        if (rc == RC_NOT_FOUND)
            rc = RC_OK;
    }
    return rc;
}

enum rc bounce_queue(struct arena *a, struct db *db, const struct bounce_office *o,
                     const struct bounce *b, size_t n, size_t *queued)
{
    struct report *reports = arena_array(a, n + 1, sizeof(*reports));
    struct store_body_want *want;
    size_t count = 0;
    enum rc rc;

    for (size_t i = 0; i < n; i++) {
        if (prepare(a, &b[i], &reports[count]))
            count++;
        else
            log_dropped(&b[i], b[i].failed_count);
    }
    *queued = count;
    if (count == 0)
        return RC_OK;
    rc = db_flush(db); /* what the delivery has queued: the answers below begin at 0 */
    if (rc == RC_OK)
        rc = read_originals(a, db, reports, count, &want);
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = queue_one(a, db, o, &reports[i], want[i].head);
    return rc;
}
