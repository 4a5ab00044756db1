/* migrate.c - brings a database to this program's schema.
 *
 * Everything happens in one transaction behind one advisory lock, so a crash at any
 * point leaves what was there before, and replicas that start together take turns.
 */
#include "store/migrate.h"

#include "base/crypto.h"
#include "base/log.h"
#include "store/store_ids.h"

#include <stdio.h>
#include <string.h>

struct migration {
    int version;
    const char *name, *sql;
};

static const struct migration migrations[] = {
#include "migrations.inc"
};

static const char *const role_names[MIGRATE_ROLE_COUNT] = {
    [MIGRATE_SMTP_INGRESS] = "postbus_smtp_ingress",
    [MIGRATE_IMAP_GATEWAY] = "postbus_imap_gateway",
    [MIGRATE_QUEUE_WORKER] = "postbus_queue_worker",
    [MIGRATE_REMOTE_SENDER] = "postbus_remote_sender",
    [MIGRATE_REGISTRAR] = "postbus_registrar",
    [MIGRATE_JANITOR] = "postbus_janitor",
};

/* The rights as they are in grants.def, and only those. */
static const char grants[] =
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM postbus_smtp_ingress,"
    " postbus_imap_gateway, postbus_queue_worker, postbus_remote_sender,"
    " postbus_registrar, postbus_janitor;\n"
    "GRANT SELECT ON schema_version TO postbus_smtp_ingress, postbus_imap_gateway,"
    " postbus_queue_worker, postbus_remote_sender, postbus_registrar, postbus_janitor;\n"
#define GRANT(role, rights, table) "GRANT " rights " ON " table " TO postbus_" #role ";\n"
#define BODY(role, rights)                                                               \
    "DO $$ BEGIN FOR slot IN 0..31 LOOP EXECUTE format('GRANT " rights                   \
    " ON body_%s TO postbus_" #role "', lpad(slot::text, 2, '0')); END LOOP; END $$;\n"
#include "store/grants.def"
#undef GRANT
#undef BODY
    ;

/* Before PostgreSQL 15, and in databases that come from there, everybody may create
 * objects in schema public: functions, say, that another role then calls.  Only who owns
 * the schema can end that, which the database's owner is not there. */
static const char own_schema[] =
    "DO $$ BEGIN\n"
    "    IF (SELECT pg_has_role(current_user, nspowner, 'USAGE') FROM pg_namespace\n"
    "        WHERE nspname = 'public') THEN\n"
    "        EXECUTE format('GRANT ALL ON SCHEMA public TO %I', current_user);\n"
    "        REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"
    "    END IF;\n"
    "END $$;\n";

/* CREATE ROLE takes no parameters; the values come in as settings of the transaction, so
 * that the server does the quoting. */
static const char make_role[] =
    "DO $$\n"
    "DECLARE\n"
    "    r text := current_setting('postbus.role');\n"
    "    p text := current_setting('postbus.password');\n"
    "BEGIN\n"
    "    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN\n"
    "        EXECUTE format('CREATE ROLE %I LOGIN', r);\n"
    "    END IF;\n"
    "    IF p <> '' THEN\n"
    "        EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', r, p);\n"
    "    END IF;\n"
    "END $$;\n";

/* "postbus" in ASCII, as a number. */
DB_STATEMENT(stmt_lock, "migrate_lock",
             "SELECT pg_advisory_xact_lock(31647950163997043)");
DB_STATEMENT(stmt_exists, "migrate_exists",
             "SELECT to_regclass('public.schema_version') IS NOT NULL");
DB_STATEMENT(stmt_version, "migrate_version",
             "SELECT coalesce(max(version), 0)::int4 FROM schema_version");
DB_STATEMENT(stmt_applied, "migrate_applied",
             "INSERT INTO schema_version (version, name, applied) "
             "VALUES ($1, $2, now_unix())");
DB_STATEMENT(stmt_role, "migrate_role",
             "SELECT set_config('postbus.role', $1, true), "
             "set_config('postbus.password', $2, true)");
DB_STATEMENT(stmt_open, "migrate_open",
             "SELECT has_schema_privilege('public', 'public', 'CREATE'), current_user");
DB_STATEMENT(stmt_role_there, "migrate_role_there",
             "SELECT count(*) FROM pg_roles WHERE rolname = $1");

const char *migrate_role_name(enum migrate_role role)
{
    CHECK(role >= 0 && role < MIGRATE_ROLE_COUNT);
    return role_names[role];
}

int migrate_latest(void)
{
    return migrations[ARRAY_LEN(migrations) - 1].version;
}

enum rc migrate_version(struct db *db, int *out)
{
    enum rc rc = db_run(db, &stmt_exists, DB_NO_PARAMS);

    *out = 0;
    if (rc != RC_OK || !db_get_bool(db, 0, 0, 0))
        return rc;
    rc = db_run(db, &stmt_version, DB_NO_PARAMS);
    if (rc == RC_OK)
        *out = (int)db_get_int(db, 0, 0, 0);
    return rc;
}

static enum rc apply(struct db *db, const struct migration *m, struct buf *report)
{
    enum rc rc = db_script(db, m->sql);

    if (rc == RC_DENIED) {
        buf_printf(report, "%s\n", db_message(db));
        return rc;
    }
    if (rc == RC_OK)
        rc = db_run(db, &stmt_applied,
                    DB_PARAMS(db_int4(m->version), db_text(str_of(m->name))));
    if (rc != RC_OK)
        buf_printf(report, "%s: failed\n", m->name);
    return rc;
}

/* *have: the version that was found. */
static enum rc apply_missing(struct db *db, int *have, struct buf *report)
{
    enum rc rc = migrate_version(db, have);

    if (rc == RC_OK && *have > migrate_latest()) {
        buf_printf(report,
                   "the database has schema version %d, and this program knows %d: "
                   "use the postbusctl of the newer release\n",
                   *have, migrate_latest());
        return RC_DENIED;
    }
    if (rc == RC_OK && *have == 0)
        rc = db_script(db, "CREATE TABLE schema_version (version int4 PRIMARY KEY, "
                           "name text NOT NULL, applied int8 NOT NULL)");
    for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(migrations); i++)
        if (migrations[i].version > *have)
            rc = apply(db, &migrations[i], report);
    return rc;
}

static enum rc create_role(struct db *db, const char *name, const char *password)
{
    enum rc rc = db_run(db, &stmt_role,
                        DB_PARAMS(db_text(str_of(name)), db_text(str_of(password))));

    return rc == RC_OK ? db_script(db, make_role) : rc;
}

static enum rc find_role(struct db *db, const char *name, struct buf *report)
{
    enum rc rc = db_run(db, &stmt_role_there, DB_PARAMS(db_text(str_of(name))));

    if (rc != RC_OK || db_get_int(db, 0, 0, 0) == 1)
        return rc;
    buf_printf(report, "role %s is missing: create it, or let migrate do so\n", name);
    return RC_NOT_FOUND;
}

static enum rc make_roles(struct db *db, const struct migrate_options *o,
                          struct buf *report)
{
    enum rc rc = RC_OK;

    for (int i = 0; rc == RC_OK && i < MIGRATE_ROLE_COUNT; i++)
        rc = o->roles_given ? find_role(db, role_names[i], report)
                            : create_role(db, role_names[i], o->passwords[i]);
    /* A password must not stay behind in the session, committed or not. */
    if (rc == RC_OK && !o->roles_given)
        rc = db_run(db, &stmt_role, DB_PARAMS(db_text(S("")), db_text(S(""))));
    return rc;
}

static enum rc close_schema(struct db *db, struct buf *report)
{
    enum rc rc = db_script(db, own_schema);

    if (rc == RC_OK)
        rc = db_run(db, &stmt_open, DB_NO_PARAMS);
    if (rc == RC_OK && db_get_bool(db, 0, 0, 0))
        buf_printf(
            report,
            "warning: every role may create objects in schema public; as a superuser "
            "run in this database: REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT "
            "ALL ON SCHEMA public TO \"%.*s\"\n",
            STR_ARG(db_get_str(db, 0, 0, 1)));
    return rc;
}

/* Only what is committed is told as applied. */
static void tell_done(int before, struct buf *report)
{
    for (size_t i = 0; i < ARRAY_LEN(migrations); i++)
        if (migrations[i].version > before)
            buf_printf(report, "%s: applied\n", migrations[i].name);
    buf_printf(report, "schema is at version %d\n", migrate_latest());
}

static void tell_failure(struct db *db, enum rc rc, struct buf *report)
{
    if (rc == RC_DENIED)
        buf_puts(report, "nothing was changed\n");
    else
        buf_printf(report,
                   "nothing was changed (%s %s); the user must own the database and "
                   "may need CREATEROLE\n",
                   rc_name(rc), db_sqlstate(db));
}

enum rc migrate_run(struct db *db, const struct migrate_options *o, struct buf *report)
{
    int before = 0;
    enum rc rc;

    db_begin(db);
    rc = db_run(db, &stmt_lock, DB_NO_PARAMS);
    if (rc == RC_OK)
        rc = apply_missing(db, &before, report);
    if (rc == RC_OK)
        rc = make_roles(db, o, report);
    if (rc == RC_OK)
        rc = db_script(db, grants);
    if (rc == RC_OK)
        rc = close_schema(db, report);
    if (rc == RC_OK)
        rc = db_commit(db);
    if (rc == RC_OK) {
        tell_done(before, report);
        return RC_OK;
    }
    tell_failure(db, rc, report);
    db_rollback(db);
    return rc;
}
