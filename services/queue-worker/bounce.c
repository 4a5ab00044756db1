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

static void log_dropped(const struct bounce *b)
{
    log_info("queue.dropped", "queue=%016" PRIx64 " recipients=%zu reason=%s",
             (uint64_t)b->body_id, b->failed_count,
             b->sender.n == 0 ? "null-sender" : "bad-sender");
}

/* As smtp-ingress does, for what it accepts. */
static str_t make_envelope(struct arena *a, const struct bounce_office *o, str_t message,
                           str_t to)
{
    struct envelope e = { 0 };
    struct route route;

    route_find(a, o->route, to, &route);
    if (route.kind == ROUTE_REMOTE)
        envelope_hash_body(&e, str_skip(message, header_end(message)));
    return envelope_format(a, &e);
}

static enum rc queue_one(struct arena *a, struct db *db, const struct bounce_office *o,
                         const struct bounce *b, str_t head)
{
    char *id = arena_printf(a, "%016" PRIx64, (uint64_t)b->body_id);
    struct dsn d = {
        .domain = domains_first(o->route->domains),
        .hostname = o->hostname,
        .to = b->sender,
        .token = str_of(arena_printf(a, "%016" PRIx64, crypto_random_u64())),
        .queue_id = str_of(id),
        .arrival_unix = b->arrival_unix,
        .now_unix = clock_unix(),
        .recipients = b->failed,
        .recipient_count = b->failed_count,
        .original = head,
    };
    struct store_queue_new row = {
        .message = dsn_compose(a, &d),
        .recipients = &b->sender,
        .recipient_count = 1,
    };

    row.envelope = make_envelope(a, o, row.message, b->sender);
    log_info("queue.bounced", "queue=%s recipients=%zu status=%.*s", id, b->failed_count,
             STR_ARG(b->failed[0].status));
    return store_queue_add(db, &row);
}

/* What is left of the failed messages' headers; a body that has expired leaves none. */
static enum rc read_heads(struct arena *a, struct db *db, const struct bounce *const *b,
                          size_t n, struct store_body_want **out)
{
    struct store_body_want *want = arena_array(a, n, sizeof(*want));

    for (size_t i = 0; i < n; i++)
        want[i] =
            (struct store_body_want){ .body_id = b[i]->body_id, .size = b[i]->size };
    *out = want;
    return store_body_heads(a, db, want, n, DSN_MAX_HEADER_BYTES);
}

enum rc bounce_queue(struct arena *a, struct db *db, const struct bounce_office *o,
                     const struct bounce *b, size_t n, size_t *queued)
{
    const struct bounce **wanted = arena_array(a, n > 0 ? n : 1, sizeof(*wanted));
    struct store_body_want *want;
    size_t count = 0;
    enum rc rc;

    for (size_t i = 0; i < n; i++) {
        if (bounce_is_wanted(b[i].sender))
            wanted[count++] = &b[i];
        else
            log_dropped(&b[i]);
    }
    *queued = count;
    if (count == 0)
        return RC_OK;
    rc = db_flush(db); /* what the delivery has queued: the answers below begin at 0 */
    if (rc == RC_OK)
        rc = read_heads(a, db, wanted, count, &want);
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = queue_one(a, db, o, wanted[i], want[i].head);
    return rc;
}
