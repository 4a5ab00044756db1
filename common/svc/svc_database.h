/* svc_database.h - is PostgreSQL there, new enough, and does its clock agree with ours?
 *
 * A thread of its own asks every few seconds, so that nobody else waits for a database
 * that hangs.  It also keeps store_clock right, by which new mail gets its time.
 * Thread: any.
 */
#pragma once

#include "svc/options.h"

#include <stdbool.h>
#include <stddef.h>

struct svc_database;

struct svc_database *svc_database_new(const struct options *o, enum options_user user);
void svc_database_free(struct svc_database **d); /* waits for a question under way */

/* NULL: all is well.  Else what is missing ("database", "schema", "clock") and why. */
const char *svc_database_missing(struct svc_database *d, char *reason, size_t room);
/* False: nothing is known yet, which is no news. */
bool svc_database_was_asked(struct svc_database *d);
/* It can be used, even if its clock is wrong. */
bool svc_database_is_ok(struct svc_database *d);
