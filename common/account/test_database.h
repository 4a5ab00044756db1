/* test_database.h - a PostgreSQL of its own for a test program.
 *
 * Started without POSTBUS_TEST_DB, the program starts itself again under
 * tools/pg-throwaway; so it runs alone as well as from make.
 */
#pragma once

#include "base/arena.h"
#include "base/log.h"
#include "store/db.h"
#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void test_database_enter(char **argv)
{
    if (getenv("POSTBUS_TEST_DB") != NULL)
        return;
    execlp("tools/pg-throwaway", "pg-throwaway", argv[0], (char *)NULL);
    log_error("test.no_database", "reason=\"start the test in the source tree\"");
    exit(2);
}

static inline struct db *test_database_connect(const char *role, const char *name)
{
    struct db_options o = { .host = getenv("POSTBUS_TEST_DB"),
                            .user = role,
                            .name = name };

    return db_new(&o);
}

/* A fresh database with the schema; its name is valid until exit. */
static inline const char *test_database_new(void)
{
    static char name[64];
    static int count;
    struct migrate_options options = { .roles_given = false };
    struct db *db = test_database_connect("postgres", "postgres");
    struct buf report;
    char sql[128];

    buf_init(&report, 65536);
    snprintf(name, sizeof(name), "test_%d_%d", (int)getpid(), count++);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    CHECK(db_script(db, sql) == RC_OK);
    db_free(&db);
    db = test_database_connect("postgres", name);
    if (migrate_run(db, &options, &report) != RC_OK) {
        log_error("test.no_schema", "report=\"%.*s\"", STR_ARG(buf_str(&report)));
        exit(2);
    }
    db_free(&db);
    buf_fini(&report);
    return name;
}
