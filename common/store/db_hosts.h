/* db_hosts.h - where PostgreSQL may be: names become addresses without anybody waiting.
 *
 * libpq would look names up itself, in a call that nothing can interrupt.  Here a thread
 * of its own does it for each name, and who connects waits for it until a deadline.
 * Thread: a db_hosts belongs to one thread.
 */
#pragma once

#include "base/deadline.h"

#include <stddef.h>

struct buf;

enum { DB_HOSTS_MAX = 8, DB_HOSTS_PLACES_MAX = 32, DB_HOSTS_ADDRESS_BYTES = 72 };

struct db_place {
    const char *host;                     /* as configured; borrowed from the db_hosts */
    char address[DB_HOSTS_ADDRESS_BYTES]; /* "": host is the folder of a socket */
};

struct db_hosts;

/* list: names, addresses and folders of sockets, separated by commas; those behind the
 * first DB_HOSTS_MAX are left out. */
struct db_hosts *db_hosts_new(const char *list);
void db_hosts_free(struct db_hosts **h);

/* Every address of every host, in order; *why says what is amiss with a host that has
 * none.  Answers that come after the deadline are for the next call. */
size_t db_hosts_find(struct db_hosts *h, struct deadline until,
                     struct db_place out[DB_HOSTS_PLACES_MAX], struct buf *why);
