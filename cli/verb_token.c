/* verb_token.c - tokens of the admin API, made where they are kept: in the database. */
#include "verb.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "database.h"
#include "operator_token.h"
#include "store/store_api_token.h"
#include "svc/options.h"
#include "token_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TIME_BYTES = 32 };

/* NULL: said why. */
static struct db *open_database(const char *config)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *o;

    if (options_load(options_file(config), OPTIONS_POSTBUSCTL, &o, error) != RC_OK) {
        verb_fail("%s", error);
        return NULL;
    }
    return database_open(o);
}

/* To standard output, or into a new file.  False: said why. */
static bool tell(const char *token, const char *file)
{
    if (file != NULL)
        return token_file_write(file, token);
    if (puts(token) >= 0 && fflush(stdout) == 0)
        return true;
    verb_fail("no token was made, for it cannot be told: %s", strerror(errno));
    return false;
}

static int fail_to_add(struct db *db, str_t name, enum rc rc)
{
    if (rc == RC_EXISTS)
        return verb_fail("there is a token %.*s already; revoke it or take another name",
                         STR_ARG(name));
    return database_fail("no token was made", "tokens", rc, db);
}

/* The token is told before it becomes valid, since nobody can tell it later. */
static int put(struct db *db, str_t name, const char *token, const char *file)
{
    unsigned char raw[API_TOKEN_HASH_BYTES];
    enum rc rc;

    api_token_hash(str_of(token), raw);
    db_begin(db);
    rc = store_api_token_add(db, name, str_n((const char *)raw, sizeof(raw)));
    if (rc != RC_OK || !tell(token, file)) {
        db_rollback(db);
        return rc == RC_OK ? VERB_FAILED : fail_to_add(db, name, rc);
    }
    rc = db_commit(db);
    if (rc == RC_OK)
        return VERB_DONE;
    if (db_unsure(db))
        return verb_fail(
            "the connection to the database was lost, and the token %.*s may "
            "be valid or not: `postbusctl token list` shows it if it is",
            STR_ARG(name));
    if (file != NULL)
        unlink(file);
    return database_fail("no token was made", "tokens", rc, db);
}

static int create(int argc, char **argv)
{
    const char *config = NULL, *name = NULL, *file = NULL;
    const struct verb_flag flags[] = { { "NAME", &name, NULL, NULL },
                                       { "--file", &file, NULL, NULL },
                                       { "--config", &config, NULL, NULL },
                                       { 0 } };
    char token[API_TOKEN_TEXT_BYTES];
    struct db *db;
    int status;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    if (!api_token_is_name(str_of(name))) {
        verb_fail("%s: a name is made of letters, digits, `.`, `_` and `-`, at most %d",
                  name, API_TOKEN_NAME_MAX_BYTES);
        return VERB_MISUSED;
    }
    if (strcmp(name, OPERATOR_TOKEN_NAME) == 0) {
        verb_fail(
            "%s is the name of the token that `postbusctl migrate --operator-token` "
            "makes, and would end this one; take another name",
            name);
        return VERB_MISUSED;
    }
    db = open_database(config);
    if (db == NULL)
        return VERB_FAILED;
    api_token_make(token);
    status = put(db, str_of(name), token, file);
    crypto_wipe(token, sizeof(token));
    db_free(&db);
    return status;
}

static const char *date(int64_t unix_s, char out[TIME_BYTES])
{
    time_t at = (time_t)unix_s;
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(out, TIME_BYTES, "%Y-%m-%d", &utc);
    return out;
}

static void print_token(const struct store_api_token *t)
{
    char made[TIME_BYTES], used[TIME_BYTES], end[TIME_BYTES];

    printf("%-32.*s  %s  %-10s  %s\n", STR_ARG(t->name), date(t->created_unix, made),
           t->used_day == 0 ? "-" : date((int64_t)t->used_day * 86400, used),
           t->revoked_unix == 0 ? "-" : date(t->revoked_unix, end));
}

static int list(int argc, char **argv)
{
    const char *config = NULL;
    const struct verb_flag flags[] = { { "--config", &config, NULL, NULL }, { 0 } };
    struct store_api_token *tokens;
    struct arena *a;
    struct db *db;
    size_t n;
    enum rc rc;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    db = open_database(config);
    if (db == NULL)
        return VERB_FAILED;
    a = arena_new();
    rc = store_api_token_list(a, db, &tokens, &n);
    if (rc == RC_OK)
        printf("%-32s  %-10s  %-10s  %s\n", "NAME", "MADE", "LAST USED", "REVOKED");
    else
        database_fail("no list", "tokens", rc, db);
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        print_token(&tokens[i]);
    arena_free(&a);
    db_free(&db);
    return rc == RC_OK ? VERB_DONE : VERB_FAILED;
}

static int revoke_token(int argc, char **argv)
{
    const char *config = NULL, *name = NULL;
    const struct verb_flag flags[] = { { "NAME", &name, NULL, NULL },
                                       { "--config", &config, NULL, NULL },
                                       { 0 } };
    int status = VERB_DONE;
    struct db *db;
    enum rc rc;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    db = open_database(config);
    if (db == NULL)
        return VERB_FAILED;
    rc = store_api_token_revoke(db, str_of(name));
    if (rc == RC_NOT_FOUND) {
        verb_fail("no valid token has the name %s; `postbusctl token list` shows all",
                  name);
        status = VERB_NOT_FOUND;
    } else if (rc != RC_OK) {
        status = database_fail("it was not revoked", "tokens", rc, db);
    }
    db_free(&db);
    return status;
}

int verb_token(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(int argc, char **argv);
    } words[] = { { "create", create }, { "list", list }, { "revoke", revoke_token } };

    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, argv[0]) == 0)
            return words[i].run(argc - 1, argv + 1);
    verb_fail("token: create, list or revoke%s%s", argc > 0 ? ", not " : "",
              argc > 0 ? argv[0] : "");
    return VERB_MISUSED;
}
