/* db_connect.c - the connection of a db: made at first use, looked after, dropped.
 *
 * A connection that is in any doubt (lost, late, half sent) is dropped rather than
 * repaired; the server then rolls back what was open.
 */
#include "store/db_private.h"

#include "base/clock.h"
#include "base/metric.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Atomic uint64_t newest_connection; /* they are counted from 1 */

static struct metric connects = { .kind = METRIC_COUNTER,
                                  .name = "postbus_db_connects",
                                  .labels = "",
                                  .help = "Connections made to PostgreSQL." };
static struct metric losses = { .kind = METRIC_COUNTER,
                                .name = "postbus_db_lost",
                                .labels = "",
                                .help = "Connections to PostgreSQL that were lost." };
static struct metric open_connections = { .kind = METRIC_GAUGE,
                                          .name = "postbus_db_connections",
                                          .labels = "",
                                          .help = "Open connections to PostgreSQL." };

static void register_metrics(void)
{
    metric_register(&connects);
    metric_register(&losses);
    metric_register(&open_connections);
}

void db_connect_metrics(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_metrics);
}

void db_connect_drop(struct db *db)
{
    if (db->conn == NULL)
        return;
    PQfinish(db->conn);
    db->conn = NULL;
    metric_add(&open_connections, -1);
    db->pending_count = 0;
    db->unsent = 0;
    memset(db->prepared, 0, sizeof(db->prepared));
    db_private_fail(db, RC_RETRY);
}

enum rc db_connect_lose(struct db *db)
{
    metric_add(&losses, 1);
    db_connect_drop(db);
    db->lost = true;
    if (db->sqlstate[0] == '\0')
        snprintf(db->sqlstate, sizeof(db->sqlstate), "08006");
    return RC_RETRY;
}

static enum rc connect_once(struct db *db, int timeout_ms)
{
    db->conn = db_server_open(db->server, timeout_ms);
    if (db->conn == NULL) {
        snprintf(db->sqlstate, sizeof(db->sqlstate), "%s",
                 db_server_sqlstate(db->server));
        return RC_RETRY;
    }
    db->number = atomic_fetch_add(&newest_connection, 1) + 1;
    metric_add(&connects, 1);
    metric_add(&open_connections, 1);
    return RC_OK;
}

/* A server that went away between two jobs has left its goodbye in the socket: see it
 * before a statement is spent on finding out. */
static void look_for_goodbye(struct db *db)
{
    struct pollfd p = { .fd = PQsocket(db->conn), .events = POLLIN };

    for (int i = 0; i < 3 && poll(&p, 1, 0) > 0; i++)
        if (PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) != CONNECTION_OK) {
            metric_add(&losses, 1);
            db_connect_drop(db);
            return;
        }
}

enum rc db_connect_ready(struct db *db)
{
    if (db->conn != NULL && db->tx != TX_OPEN)
        look_for_goodbye(db);
    return db->conn != NULL ? RC_OK : connect_once(db, db->connect_timeout_ms);
}

enum rc db_connect(struct db *db, struct deadline until)
{
    if (db->conn != NULL && db->pending_count == 0 && db->tx == TX_NONE)
        look_for_goodbye(db);
    while (db->conn == NULL) {
        int64_t left = deadline_left_ms(until), pause;

        if (left == 0)
            return RC_RETRY;
        pause = db_server_pause_ms(db->server);
        if (pause > 0) /* nothing to poll: the server is not there yet */
            poll(NULL, 0, (int)(pause < left ? pause : left));
        else
            (void)connect_once(
                db, (int)(left < db->connect_timeout_ms ? left : db->connect_timeout_ms));
    }
    return RC_OK;
}

uint64_t db_connection(const struct db *db)
{
    return db->number;
}

uint64_t db_newest_connection(void)
{
    return atomic_load(&newest_connection);
}

bool db_connected(const struct db *db)
{
    return db->conn != NULL;
}
