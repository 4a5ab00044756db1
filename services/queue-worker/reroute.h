/* reroute.h - what waits for other hosts follows the routes of today.
 *
 * A row's way is chosen when it is made.  Where an operator has changed `routes`, what
 * was made before would go on to a host that may be gone.  Replicas whose `routes` differ
 * change each other's rows at every pass, so they shall not differ for long.
 * Thread: the db's.
 */
#pragma once

#include "base/rc.h"

#include <stddef.h>
#include <stdint.h>

struct db;
struct routes;

/* Own transactions.  A page of the rows that wait, from *after (0: the first) on; *after
 * is then where the next call goes on, 0 when that was the last page.  *rows: how many
 * got another way and are due now.  A row that is locked is left to the next pass. */
enum rc reroute(struct db *db, const struct routes *routes, int64_t *after,
                size_t *rows) RC_CHECKED;
