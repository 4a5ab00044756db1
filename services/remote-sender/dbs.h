/* dbs.h - a few database connections, lent to many threads that mostly wait for others.
 *
 * Hundreds of destinations may be in progress, but each needs the database only for
 * moments; a connection is never held while a foreign host is waited for.
 * Thread: any.
 */
#pragma once

#include <stddef.h>

struct db;
struct dbs;
struct svc;

struct dbs *dbs_new(struct svc *svc, size_t count);
void dbs_free(struct dbs **d); /* all were given back */

struct db *dbs_take(struct dbs *d); /* waits until one is free */
void dbs_give(struct dbs *d, struct db *db);
