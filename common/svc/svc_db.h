/* svc_db.h - a database connection as the options say.  Thread: any. */
#pragma once

struct db;
struct options;

/* Connects at its first use.  application: the name that PostgreSQL shows. */
struct db *svc_db_open(const struct options *o, const char *application);
