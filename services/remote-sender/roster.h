/* roster.h - who is in progress and who waits: questions about the dispatcher's lists.
 *
 * Thread: whoever holds the dispatcher's lock.
 */
#pragma once

#include "destination.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct roster_census {
    size_t working, idle, unproven;
};

bool roster_is_idle(const struct destination *t); /* only keeps a connection open */
struct roster_census roster_count(const struct destination *list);
size_t roster_working_on(const struct destination *list, const char *name);
/* One of this name that has nothing to do, or NULL. */
struct destination *roster_idle(struct destination *list, const char *name);

/* Whose rows are not claimed now: destinations that per_destination threads work on, or
 * that wait in the lobby.  Rows whose maker chose no way are claimed by their domain, so
 * the domains of those are among them.  Copied into the arena. */
size_t roster_busy(struct arena *a, const struct destination *list,
                   const struct destination *lobby, size_t per_destination, str_t **out);

/* Who takes one more row: of its destination the one that waits with an open connection,
 * or waits in the lobby for a thread.  Where many domains share a destination, first the
 * one that carries the row's domain already, unless it has most parcels to go: so a
 * domain at whose messages the host stalls holds up itself.  NULL: nobody.
 *
 * Limits: what is claimed of a shared destination is due longest, whosever it is.  With
 * more rows due than its connections take (most and one for each) that domain has all of
 * them, and others wait until smtp_client's deadlines end its messages. */
struct destination *roster_taker(struct destination *list, struct destination *lobby,
                                 const struct store_remote_row *row, size_t most);
