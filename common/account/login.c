/* login.c - a name and a password become an account, which is made at first sight.
 *
 * The unique address in the database decides between racing first logins: whoever loses
 * reads the winner's row and is judged by it.
 */
#include "account/login.h"

#include "account/login_cache.h"
#include "account/password.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/rate.h"
#include "store/store_account.h"
#include "store/store_ids.h"

#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

enum { ID_TRIES = 8 };

#define DAY_MS (INT64_C(24) * 3600 * 1000)

#define LOGINS(result)                                                                   \
    {                                                                                    \
        .kind = METRIC_COUNTER, .name = "postbus_logins",                                \
        .labels = "result=\"" result "\"", .help = "Logins by their outcome."            \
    }

enum outcome {
    OUTCOME_VERIFIED,
    OUTCOME_CACHED,
    OUTCOME_CREATED,
    OUTCOME_WRONG_PASSWORD,
    OUTCOME_MALFORMED,
    OUTCOME_DISABLED,
    OUTCOME_REFUSED,
    OUTCOME_LIMITED,
    OUTCOME_UNAVAILABLE,
    OUTCOME_COUNT
};

static struct metric outcomes[OUTCOME_COUNT] = {
    [OUTCOME_VERIFIED] = LOGINS("verified"),
    [OUTCOME_CACHED] = LOGINS("cached"),
    [OUTCOME_CREATED] = LOGINS("created"),
    [OUTCOME_WRONG_PASSWORD] = LOGINS("wrong_password"),
    [OUTCOME_MALFORMED] = LOGINS("malformed"),
    [OUTCOME_DISABLED] = LOGINS("disabled"),
    [OUTCOME_REFUSED] = LOGINS("refused"),
    [OUTCOME_LIMITED] = LOGINS("limited"),
    [OUTCOME_UNAVAILABLE] = LOGINS("unavailable"),
};

#define REFUSED(reason)                                                                  \
    {                                                                                    \
        .kind = METRIC_COUNTER, .name = "postbus_accounts_refused",                      \
        .labels = "reason=\"" reason "\"", .help = "Accounts that were not made."        \
    }

enum refusal {
    REFUSAL_NONE,
    REFUSAL_CLOSED,
    REFUSAL_PASSWORD,
    REFUSAL_NAME,
    REFUSAL_LOAD,
    REFUSAL_MEMORY,
    REFUSAL_DISK,
    REFUSAL_RATE,
    REFUSAL_HOUR,
    REFUSAL_COUNT
};

static struct metric refusals[REFUSAL_COUNT] = {
    [REFUSAL_CLOSED] = REFUSED("closed"), [REFUSAL_PASSWORD] = REFUSED("password"),
    [REFUSAL_NAME] = REFUSED("name"),     [REFUSAL_LOAD] = REFUSED("load"),
    [REFUSAL_MEMORY] = REFUSED("memory"), [REFUSAL_DISK] = REFUSED("disk"),
    [REFUSAL_RATE] = REFUSED("rate"),     [REFUSAL_HOUR] = REFUSED("hour"),
};

static pthread_once_t registered = PTHREAD_ONCE_INIT;

struct login {
    struct login_options options;
    struct login_cache *cache;
    struct rate *failures, *creations; /* by network */
    struct arena *arena;
    str_t decoy; /* a hash of nothing, for those whom we refuse anyway */
};

/* What one call works on. */
struct attempt {
    struct login *login;
    struct db *db;
    struct arena *arena;
    const struct login_request *request;
    str_t address, password;
    struct login_account *out;
};

static enum rc end(enum outcome outcome, enum rc rc)
{
    metric_add(&outcomes[outcome], 1);
    return rc;
}

static enum refusal overload_refusal(const struct overload_limits *limits)
{
    switch (overload_now(limits)) {
    case OVERLOAD_LOAD:
        return REFUSAL_LOAD;
    case OVERLOAD_MEMORY:
        return REFUSAL_MEMORY;
    case OVERLOAD_DISK:
        return REFUSAL_DISK;
    case OVERLOAD_NONE:
        break;
    }
    return REFUSAL_NONE;
}

/* The order of chatmail spec 1.3. */
static enum refusal creation_refusal(const struct attempt *at, const char **reason)
{
    const struct login_options *o = &at->login->options;
    enum rules_verdict v;
    enum refusal overload;

    *reason = "registration is closed";
    if (!o->registration_open ||
        (o->nocreate_file != NULL && access(o->nocreate_file, F_OK) == 0))
        return REFUSAL_CLOSED;
    v = rules_new_account(&o->rules, at->address, at->password);
    *reason = rules_verdict_text(v);
    if (v != RULES_OK)
        return v == RULES_PASSWORD_SHORT ? REFUSAL_PASSWORD : REFUSAL_NAME;
    overload = overload_refusal(&o->limits);
    *reason = "the machine is too busy";
    return overload;
}

static enum rc admit(struct attempt *at, const struct store_account *account,
                     enum outcome outcome)
{
    if (at->request->purpose == LOGIN_FOR_MAILBOX && account->seen_day < account->today) {
        enum rc rc = store_account_seen(at->db, account->id);

        /* Expiry counts in months; the next login writes the day as well. */
        if (rc != RC_OK)
            log_warn("login.seen_not_written", "rc=%s", rc_name(rc));
    }
    at->out->id = account->id;
    at->out->address = at->address;
    at->out->created = outcome == OUTCOME_CREATED;
    return end(outcome, RC_OK);
}

static bool is_remembered(struct attempt *at, const struct store_account *account)
{
    return account->state == STORE_ACCOUNT_ACTIVE &&
           login_cache_has(at->login->cache, account->id, account->password_hash,
                           at->password, clock_monotonic_ms());
}

static enum rc verify(struct attempt *at, const struct store_account *account)
{
    struct login_cache *cache = at->login->cache;
    str_t hash = account->password_hash;

    if (is_remembered(at, account)) /* by the winner of a race */
        return admit(at, account, OUTCOME_CACHED);
    if (!password_verify(at->arena, at->password, hash))
        return end(OUTCOME_WRONG_PASSWORD, RC_DENIED);
    if (account->state != STORE_ACCOUNT_ACTIVE)
        return end(OUTCOME_DISABLED, RC_DENIED);
    login_cache_put(cache, account->id, hash, at->password, clock_monotonic_ms());
    return admit(at, account, OUTCOME_VERIFIED);
}

static enum rc refuse_creation(struct attempt *at, enum refusal refusal,
                               const char *reason)
{
    at->out->is_closed = refusal == REFUSAL_CLOSED;
    metric_add(&refusals[refusal], 1);
    log_info("account.refused", "reason=\"%s\"", reason);
    if (refusal == REFUSAL_RATE || refusal == REFUSAL_HOUR)
        return end(OUTCOME_LIMITED, RC_LIMIT);
    /* Costs what a wrong password costs: the time tells nothing. */
    (void)password_verify(at->arena, at->password, at->login->decoy);
    if (refusal == REFUSAL_LOAD || refusal == REFUSAL_MEMORY || refusal == REFUSAL_DISK)
        return end(OUTCOME_REFUSED, RC_RETRY);
    return end(OUTCOME_REFUSED, RC_DENIED);
}

/* For a network that is limited: may it do one more?  Nobody else is asked. */
static bool take(const struct attempt *at, struct rate *of)
{
    int64_t retry_ms;

    return at->request->network == 0 ||
           rate_take(of, at->request->network, clock_monotonic_us(), &retry_ms);
}

static void give_back(const struct attempt *at, struct rate *of)
{
    if (at->request->network != 0)
        rate_give_back(of, at->request->network, clock_monotonic_us());
}

static enum rc insert(struct attempt *at, struct store_account *account)
{
    bool is_private = at->request->network == 0;
    int64_t per_hour = is_private ? at->login->options.new_private_accounts_per_hour : 0;
    enum rc rc = RC_CONFLICT;

    for (int i = 0; i < ID_TRIES && rc == RC_CONFLICT; i++) {
        account->id = store_ids_new_account(account->address);
        rc = per_hour == 0 ? store_account_create(at->db, account)
                           : store_account_create_counted(at->db, account, per_hour);
    }
    return rc;
}

static enum rc create(struct attempt *at)
{
    const struct login_options *o = &at->login->options;
    struct store_account account = { .address = at->address };
    const char *reason;
    enum refusal refusal = creation_refusal(at, &reason);
    enum rc rc;

    if (refusal != REFUSAL_NONE)
        return refuse_creation(at, refusal, reason);
    if (!take(at, at->login->creations))
        return refuse_creation(at, REFUSAL_RATE, "too many new accounts of one network");
    if (password_hash(at->arena, at->password, o->password_hash_cost,
                      &account.password_hash) != RC_OK)
        return end(OUTCOME_MALFORMED, RC_DENIED);
    rc = insert(at, &account);
    if (rc != RC_OK)
        give_back(at, at->login->creations);
    if (rc == RC_LIMIT)
        return refuse_creation(at, REFUSAL_HOUR,
                               "too many of private addresses in this hour; a proxy must "
                               "name its clients");
    if (rc == RC_EXISTS) {
        rc = store_account_find(at->arena, at->db, at->address, &account);
        if (rc == RC_OK)
            return verify(at, &account);
    }
    if (rc != RC_OK)
        return end(OUTCOME_UNAVAILABLE, RC_RETRY);
    /* That there is one more, not which: the log has the millisecond. */
    log_info("account.created", " ");
    log_debug("account.id", "account=%" PRId64, account.id);
    login_cache_put(at->login->cache, account.id, account.password_hash, at->password,
                    clock_monotonic_ms());
    return admit(at, &account, OUTCOME_CREATED);
}

static void register_metrics(void)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        metric_register(&outcomes[i]);
    for (size_t i = REFUSAL_CLOSED; i < REFUSAL_COUNT; i++)
        metric_register(&refusals[i]);
}

struct login *login_new(const struct login_options *o)
{
    const struct rate_options failures = { .per_minute = o->failed_per_minute,
                                           .burst = o->failed_per_minute };
    const struct rate_options creations = { .per_minute = o->new_accounts_per_minute,
                                            .burst = o->new_accounts_burst };
    struct login *l = mem_alloc(sizeof(*l));

    l->options = *o;
    l->failures = rate_new(&failures);
    l->creations = rate_new(&creations);
    l->cache =
        login_cache_new(o->cache_entries, o->cache_age_ms > 0 ? o->cache_age_ms : DAY_MS);
    l->arena = arena_new();
    CHECK(password_hash(l->arena, S("decoy"), o->password_hash_cost, &l->decoy) == RC_OK);
    CHECK(pthread_once(&registered, register_metrics) == 0);
    return l;
}

void login_free(struct login **l)
{
    if (*l == NULL)
        return;
    login_cache_free(&(*l)->cache);
    rate_free(&(*l)->failures);
    rate_free(&(*l)->creations);
    arena_free(&(*l)->arena);
    mem_free(*l);
    *l = NULL;
}

enum rc login_check(struct login *l, struct db *db, struct arena *a,
                    const struct login_request *request, struct login_account *out)
{
    struct attempt at = { .login = l,
                          .db = db,
                          .arena = a,
                          .request = request,
                          .password = request->password,
                          .out = out };
    struct store_account account;
    enum rc found, rc;

    out->is_closed = false;
    if (rules_login_address(&l->options.rules, a, request->user, &at.address) != RC_OK)
        return end(OUTCOME_MALFORMED, RC_DENIED);
    found = store_account_find(a, db, at.address, &account);
    if (found != RC_OK && found != RC_NOT_FOUND)
        return end(OUTCOME_UNAVAILABLE, RC_RETRY);
    if (found == RC_OK && is_remembered(&at, &account))
        return admit(&at, &account, OUTCOME_CACHED);
    /* Taken before the password is looked at, so that a crowd cannot slip through. */
    if (!take(&at, l->failures))
        return end(OUTCOME_LIMITED, RC_LIMIT);
    rc = found == RC_OK ? verify(&at, &account) : create(&at);
    if (rc != RC_DENIED)
        give_back(&at, l->failures);
    return rc;
}
