/* login.h - a name and a password become an account, which is made at first sight.
 *
 * The account row is read at each call, so a changed password or a removed account counts
 * at the next login.  What is remembered is only that a password was verified against
 * exactly this hash: the key is an HMAC, under a random key of this process, over
 * account, hash and password.  So a storm of reconnects costs no password hash each.
 *
 * Thread: struct login is shared by all; each caller brings its own db and arena.
 */
#pragma once

#include "account/overload.h"
#include "account/rules.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;
struct login;

struct login_options { /* strings are borrowed for the life of the process */
    struct rules rules;
    /* For each client network; 0: no limit.  A minute's worth may fail at once. */
    int64_t failed_per_minute;
    int64_t new_accounts_per_minute, new_accounts_burst;
    int64_t new_private_accounts_per_hour; /* of nobody's network, see request; 0: any */
    bool registration_open;
    const char *nocreate_file; /* while it exists nobody gets an account; NULL: none */
    struct overload_limits limits;
    unsigned password_hash_cost; /* see password.h */
    size_t cache_entries;        /* 0: every login costs a hash */
    int64_t cache_age_ms;        /* since the last use; 0: a day */
};

struct login_account {
    int64_t id;
    str_t address;  /* lower case, in the arena */
    bool created;   /* by this very call */
    bool is_closed; /* RC_DENIED: nobody has the name, and registration is closed */
};

enum login_purpose {
    LOGIN_FOR_MAILBOX,    /* IMAP: a sign of life, the day is noted in the row */
    LOGIN_FOR_SUBMISSION, /* SMTP */
};

struct login_request {
    enum login_purpose purpose;
    str_t user, password;
    /* Where it comes from, see cidr_client_key; 0: anybody may be behind it. */
    uint64_t network;
};

/* Makes the metrics visible.  Never NULL. */
struct login *login_new(const struct login_options *o);
void login_free(struct login **l);

/* RC_OK: *out is set.  RC_DENIED: no (wrong, unknown and not to be created, malformed:
 * the client is told the same, the log and the metrics know why).  Only that registration
 * is closed it is told, or a person who comes with a code would look for a wrong password
 * that there is not.  This tells unknown names from known ones, of nine random
 * characters, as often as a network may fail.  RC_RETRY: the database is away, or a new
 * account would be more than the machine can bear now. RC_LIMIT: the network has failed,
 * or made accounts, too often, or the server has made too many for private addresses;
 * whom the cache remembers is let in all the same, so that nobody is locked out by others
 * behind one address. Takes as long as a password hash except after a cache hit and with
 * RC_LIMIT; the same for unknown names of our domain that may not be created. */
enum rc login_check(struct login *l, struct db *db, struct arena *a,
                    const struct login_request *request,
                    struct login_account *out) RC_CHECKED;
