/* verb_migrate.c - the schema and the roles, as the owner of the database. */
#include "verb.h"

#include "base/buf.h"
#include "base/str.h"
#include "operator_token.h"
#include "store/db.h"
#include "store/migrate.h"
#include "svc/options.h"
#include "svc/svc_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PASSWORD_MAX = 1024,
    REPORT_MAX = 65536,
    WAIT_MAX_SECONDS = 3600,
    CONNECT_MS = 3000, /* for a first try, however short the wait is to be */
    /* A new column or index on a large table takes what it takes. */
    STATEMENT_SECONDS = 6 * 3600,
};

struct passwords {
    char text[MIGRATE_ROLE_COUNT][PASSWORD_MAX];
};

/* DIR holds one file for each role, named like it. */
static bool read_password(const char *folder, const char *role, char out[PASSWORD_MAX])
{
    char path[4096];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", folder, role);
    f = fopen(path, "re");
    if (f == NULL) {
        verb_fail("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    n = fread(out, 1, PASSWORD_MAX - 1, f);
    fclose(f);
    out[n] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (out[0] == '\0')
        verb_fail("%s is empty", path);
    return out[0] != '\0';
}

static bool read_passwords(const char *folder, struct passwords *p,
                           struct migrate_options *to)
{
    for (int role = 0; folder != NULL && role < MIGRATE_ROLE_COUNT; role++) {
        if (!read_password(folder, migrate_role_name(role), p->text[role]))
            return false;
        to->passwords[role] = p->text[role];
    }
    return true;
}

/* token_file: NULL for none. */
static int migrate(const struct options *o, const struct migrate_options *to,
                   uint64_t wait_seconds, const char *token_file)
{
    struct options patient = *o;
    struct db *db;
    int64_t wait_ms = wait_seconds == 0 ? CONNECT_MS : (int64_t)wait_seconds * 1000;
    struct buf report;
    int status = VERB_DONE;

    patient.database_statement_seconds = STATEMENT_SECONDS;
    db = svc_db_open(&patient, "postbusctl");
    buf_init(&report, REPORT_MAX);
    if (db_connect(db, deadline_in_ms(wait_ms)) != RC_OK) {
        status = verb_fail("cannot enter database %s as %s: %s", o->database_name,
                           o->database_user, db_why(db));
    } else if (migrate_run(db, to, &report) != RC_OK) {
        status = verb_fail("migration failed: %.*s", STR_ARG(buf_str(&report)));
    } else {
        fwrite(report.p, 1, report.n, stdout);
        if (token_file != NULL)
            status = operator_token_ensure(db, token_file);
    }
    buf_fini(&report);
    db_free(&db);
    return status;
}

int verb_migrate(int argc, char **argv)
{
    const char *file = NULL, *folder = NULL, *wait = "60", *token_file = NULL;
    struct migrate_options to = { 0 };
    const struct verb_flag flags[] = { { "--config", &file, NULL, NULL },
                                       { "--role-passwords", &folder, NULL, NULL },
                                       { "--wait", &wait, NULL, NULL },
                                       { "--operator-token", &token_file, NULL, NULL },
                                       { "--roles-given", NULL, &to.roles_given, NULL },
                                       { 0 } };
    char error[OPTIONS_ERROR_BYTES];
    struct passwords passwords;
    const struct options *o;
    uint64_t wait_seconds;
    int status;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    if (!str_to_u64(str_of(wait), WAIT_MAX_SECONDS, &wait_seconds)) {
        verb_fail("--wait needs a number of seconds, at most %d", WAIT_MAX_SECONDS);
        return VERB_MISUSED;
    }
    if (options_load(options_file(file), OPTIONS_POSTBUSCTL, &o, error) != RC_OK)
        return verb_fail("%s", error);
    if (!read_passwords(folder, &passwords, &to))
        return VERB_FAILED;
    status = migrate(o, &to, wait_seconds, token_file);
    explicit_bzero(&passwords, sizeof(passwords));
    return status;
}
