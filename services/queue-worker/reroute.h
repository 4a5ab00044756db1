/* reroute.h - what waits for other hosts follows the routes of today.
 *
 * A row's way is chosen when it is made.  Where an operator has changed `routes`, what
 * was made before would go on to a host that may be gone. Thread: the db's.
 */
#pragma once

#include "base/rc.h"

#include <stddef.h>

struct db;
struct routes;

/* Own transactions.  *rows: how many got another way and are due now.  The next call goes
 * on where one has changed as many as it may, or found rows locked. */
enum rc reroute(struct db *db, const struct routes *routes, size_t *rows) RC_CHECKED;
