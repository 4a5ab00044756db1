/* db_server.h - the way to PostgreSQL: which hosts, with which TLS, as whom; and why not.
 *
 * Of several hosts it takes the one that may be written to, so that a standby which was
 * promoted is found without anybody's help.
 * Thread: that of the db which owns it.
 */
#pragma once

#include "base/deadline.h"
#include "store/db.h"

struct pg_conn; /* libpq's PGconn */
struct db_server;

/* Strings are copied. */
struct db_server *db_server_new(const struct db_options *o);
void db_server_free(struct db_server **s);

/* A connection, non-blocking and in pipeline mode; NULL: none within timeout_ms.  After a
 * failure the next attempts are refused at once for a while. */
struct pg_conn *db_server_open(struct db_server *s, int timeout_ms);
int64_t
db_server_pause_ms(const struct db_server *s); /* until an attempt is made again */

/* poll on its socket; false: the deadline has passed. */
bool db_server_wait(struct pg_conn *conn, short events, struct deadline until);

/* Of the last attempt that failed, for people: each place, PostgreSQL's own words and the
 * options to look at.  "" when it succeeded. */
const char *db_server_why(const struct db_server *s);
/* Five characters; 08001 when nobody gave another. */
const char *db_server_sqlstate(const struct db_server *s);
