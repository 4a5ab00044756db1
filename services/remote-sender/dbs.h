/* dbs.h - a few database connections, lent to many threads that mostly wait for others.
 *
 * Hundreds of destinations may be in progress, but each needs the database only for
 * moments; a connection is never held while a foreign host is waited for.
 * Thread: any.
 */
#pragma once

struct db;
struct dbs;

enum { DBS_MAX = 16 };

struct dbs *dbs_new(void);
void dbs_free(struct dbs **d);              /* all were given back */
void dbs_add(struct dbs *d, struct db *db); /* at most DBS_MAX; frees it at the end */

struct db *dbs_take(struct dbs *d); /* waits until one is free */
void dbs_give(struct dbs *d, struct db *db);
