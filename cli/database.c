/* database.c - for verbs that work in the database itself, not through the admin API. */
#include "database.h"

#include "store/db.h"
#include "svc/options.h"
#include "svc/svc_db.h"
#include "verb.h"

#include <string.h>

enum { CONNECT_MS = 3000 };

struct db *database_open(const struct options *o)
{
    struct db *db = svc_db_open(o, "postbusctl");

    if (db_connect(db, deadline_in_ms(CONNECT_MS)) == RC_OK)
        return db;
    verb_fail("cannot enter database %s as %s: %s", o->database_name, o->database_user,
              db_why(db));
    db_free(&db);
    return NULL;
}

int database_fail(const char *what, const char *things, enum rc rc, const struct db *db)
{
    if (strcmp(db_sqlstate(db), "42501") == 0)
        return verb_fail("%s: this role may not do that; come as the owner of the "
                         "database (database_user)",
                         what);
    if (strcmp(db_sqlstate(db), "42P01") == 0)
        return verb_fail("%s: the database has no %s yet; run postbusctl migrate", what,
                         things);
    return verb_fail("%s: %s", what, rc_name(rc));
}
