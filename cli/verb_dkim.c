/* verb_dkim.c - the keys that sign mail: what the DNS has to say of them, and their
 * change.
 *
 * Reads the options as queue-worker does, which makes the first key and has the secret
 * that keys are sealed with.
 */
#include "verb.h"

#include "base/arena.h"
#include "database.h"
#include "mail/domains.h"
#include "store/db.h"
#include "svc/signing_keys.h"
#include "svc/options.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STRING_MAX = 255, TIME_BYTES = 32, TTL_S = 3600 };

static int fail(const char *what, enum rc rc, const struct db *db)
{
    if (rc == RC_EXISTS)
        return verb_fail("%s: a key was made in this minute; wait for the next one",
                         what);
    return database_fail(what, "keys", rc, db);
}

static const char *date(int64_t unix_s, char out[TIME_BYTES])
{
    time_t at = (time_t)unix_s;
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(out, TIME_BYTES, "%Y-%m-%d %H:%M UTC", &utc);
    return out;
}

/* As a line of a zone: a string there has at most 255 bytes (RFC 1035 3.3). */
static void print_key(const struct store_dkim_key *key)
{
    char at[TIME_BYTES];
    str_t rest = key->record;

    if (key->used_unix == 0)
        printf("; publish this; it signs after the next postbusctl dkim rotate\n");
    else if (key->retired_unix == 0)
        printf("; signs since %s\n", date(key->used_unix, at));
    else
        printf("; signs no more; keep it until %s\n", date(key->withdrawn_unix, at));
    printf("%.*s._domainkey.%.*s. %d IN TXT", STR_ARG(key->selector),
           STR_ARG(key->domain), TTL_S);
    do {
        printf(" \"%.*s\"", STR_ARG(str_head(rest, STRING_MAX)));
        rest = str_skip(rest, STRING_MAX);
    } while (rest.n > 0);
    printf("\n");
}

struct call {
    struct arena *arena;
    struct db *db;
    const struct options *options;
    bool at_once;
};

static int show(const struct call *c, str_t domain)
{
    struct store_dkim_key *keys;
    int64_t now_unix;
    size_t n;
    enum rc rc = store_dkim_list(c->arena, c->db, domain, &keys, &n, &now_unix);

    if (rc != RC_OK)
        return fail("no list", rc, c->db);
    for (size_t i = 0; i < n; i++)
        if (keys[i].withdrawn_unix == 0 || keys[i].withdrawn_unix > now_unix)
            print_key(&keys[i]);
    if (n > 0)
        return VERB_DONE;
    verb_fail("there is no key for %.*s yet; queue-worker makes one when it starts",
              STR_ARG(domain));
    return VERB_NOT_FOUND;
}

static int rotate(const struct call *c, str_t domain)
{
    enum signing_keys_step step;
    enum rc rc =
        signing_keys_rotate(c->arena, c->db, c->options, domain, c->at_once, &step);

    if (rc != RC_OK)
        return fail("no key was made or changed", rc, c->db);
    if (step == SIGNING_KEYS_WAIT)
        return verb_fail("the new key of %.*s is younger than an hour, and other servers "
                         "may not find its record yet: publish it and come back, or add "
                         "--now",
                         STR_ARG(domain));
    printf(step == SIGNING_KEYS_PUBLISH
               ? "; a new key was made; publish it, and after an hour or more call "
                 "postbusctl dkim rotate again\n"
               : "; the new key signs from now on, everywhere within a minute\n");
    return show(c, domain);
}

/* wanted: NULL: all domains of ours.  The first failure is what is returned. */
static int each(const struct call *c, const char *wanted,
                int (*act)(const struct call *c, str_t domain))
{
    const struct domains *d = options_domains(c->options);
    const struct domains_row *only = NULL;
    int status = VERB_DONE, count = 0;

    if (wanted != NULL && (only = domains_find(d, str_of(wanted))) == NULL)
        return verb_fail("%s is no mail domain of this server", wanted);
    for (size_t i = 0; i < d->count; i++) {
        str_t domain = d->row[i].name;
        int one;

        if (!str_eq(domain, d->row[i].main) || str_starts(domain, S("[")) ||
            (only != NULL && only != &d->row[i]))
            continue;
        one = act(c, domain);
        status = status == VERB_DONE ? one : status;
        count++;
    }
    if (count > 0)
        return status;
    return verb_fail("%s is no domain that has a record of its own: it signs nothing",
                     wanted != NULL ? wanted : c->options->mail_domain);
}

static int run(bool is_rotate, bool at_once, const char *domain, const char *config)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *o;
    struct call c;
    int status;

    if (options_load(options_file(config), OPTIONS_QUEUE_WORKER, &o, error) != RC_OK)
        return verb_fail("%s", error);
    c = (struct call){ .db = database_open(o), .options = o, .at_once = at_once };
    if (c.db == NULL)
        return VERB_FAILED;
    c.arena = arena_new();
    status = each(&c, domain, is_rotate ? rotate : show);
    arena_free(&c.arena);
    db_free(&c.db);
    return status;
}

int verb_dkim(int argc, char **argv)
{
    bool is_show = argc > 0 && strcmp(argv[0], "show") == 0, at_once = false;
    const char *config = NULL, *domain = NULL;
    const struct verb_flag flags[] = { { "--config", &config, NULL, NULL },
                                       { "--domain", &domain, NULL, NULL },
                                       /* only of rotate */
                                       { is_show ? NULL : "--now", NULL, &at_once, NULL },
                                       { 0 } };

    if (!is_show && (argc == 0 || strcmp(argv[0], "rotate") != 0)) {
        verb_fail("dkim: show or rotate%s%s", argc > 0 ? ", not " : "",
                  argc > 0 ? argv[0] : "");
        return VERB_MISUSED;
    }
    if (!verb_flags(argc - 1, argv + 1, flags))
        return VERB_MISUSED;
    return run(!is_show, at_once, domain, config);
}
