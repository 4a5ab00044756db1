/* migrate.h - the schema, the roles and what each role may do.
 *
 * The numbered files of migrations/ are part of the program.  What is missing of them is
 * applied in order, with roles and rights, in one transaction under an advisory lock:
 * all of it or nothing, and twice or two at once does no harm.
 * Thread: the db's.
 */
#pragma once

#include "store/db.h"

#include "base/buf.h"

enum migrate_role {
    MIGRATE_SMTP_INGRESS,
    MIGRATE_IMAP_GATEWAY,
    MIGRATE_QUEUE_WORKER,
    MIGRATE_REMOTE_SENDER,
    MIGRATE_REGISTRAR,
    MIGRATE_JANITOR,
    MIGRATE_ROLE_COUNT
};

struct migrate_options {
    /* One password per role; NULL: the role gets none (peer or trust authentication). */
    const char *passwords[MIGRATE_ROLE_COUNT];
    bool roles_given; /* the roles exist and may not be created or altered: only grant */
};

const char *migrate_role_name(enum migrate_role role); /* "postbus_smtp_ingress", … */
int migrate_latest(void); /* the version this program knows */

/* db is the owner of the database (or a superuser).  RC_DENIED: the schema is newer than
 * this program, or a migration refuses what is there; nothing is changed then.  Waits for
 * another one that migrates as long as db's statement timeout lets it.  `report` says
 * what was done, or on failure what to do, for people. */
enum rc migrate_run(struct db *db, const struct migrate_options *o,
                    struct buf *report) RC_CHECKED;

/* The version in the database; 0 when nothing was ever migrated.  A service works when
 * it is at least migrate_latest. */
enum rc migrate_version(struct db *db, int *out) RC_CHECKED;
