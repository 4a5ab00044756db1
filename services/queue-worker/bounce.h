/* bounce.h - mail that cannot be delivered goes back to its sender, as a new message.
 *
 * The report enters the queue in the transaction that ends the failed delivery, so
 * neither can be without the other.  It has the null sender; what itself has the null
 * sender is never answered, or two servers could answer each other for ever (RFC 5321
 * 6.1).
 * Thread: the db's.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "mail/dsn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct route_rules;

struct bounce_office {
    const struct route_rules *route;
    str_t hostname;
};

struct bounce {
    str_t sender; /* of the failed message */
    int64_t body_id;
    int32_t size;
    int64_t arrival_unix;
    const struct dsn_recipient *failed;
    size_t failed_count;
    str_t envelope; /* JSON, of the failed message */
};

/* Is there anybody to tell? */
bool bounce_is_wanted(str_t sender);

/* In the caller's transaction, for n failed messages; those whose sender is null are
 * logged and dropped, and so are recipients of whose failure it wants to hear nothing
 * (RFC 3461).  Two round trips if there is anything to tell: what was queued
 * before, and the failed messages' headers; one more for each message that is to be
 * returned whole.
 * *queued: reports that wait now. */
enum rc bounce_queue(struct arena *a, struct db *db, const struct bounce_office *o,
                     const struct bounce *b, size_t n, size_t *queued) RC_CHECKED;
