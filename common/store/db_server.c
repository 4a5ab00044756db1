/* db_server.c - libpq's way to connect, one place at a time.
 *
 * libpq could be given all hosts at once, but it waits for one that does not answer as
 * long as it is let, and never comes to the next.  Here each place has its share of the
 * time.
 */
#include "store/db_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/db_hosts.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    STATEMENT_TIMEOUT_MS = 30000,
    RETRY_MIN_MS = 50, /* between attempts, doubling */
    RETRY_MAX_MS = 1000,
    WHY_BYTES = 480,
    STATE_BYTES = 6,
};

/* The server's keepalives free the locks of a client whose machine has vanished.
 * Index look-ups are the only good plans here, whatever the statistics say at the time
 * of planning: a table that was empty then must not be read whole when it is not.  Plans
 * are made once per connection. */
#define SESSION_SETTINGS                                                                 \
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off "              \
    "-c enable_bitmapscan=off "                                                          \
    "-c plan_cache_mode=force_generic_plan -c jit=off "                                  \
    "-c idle_in_transaction_session_timeout=10s -c client_min_messages=error "           \
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "  \
    "-c statement_timeout="

struct db_server {
    struct db_hosts *hosts;
    char *port, *name, *user, *password, *application, *settings;
    char *sslmode, *ca_file, *certificate_file, *key_file; /* NULL: libpq's own */
    char good[DB_HOSTS_ADDRESS_BYTES];                     /* where it succeeded last */
    int64_t retry_at_ms; /* no attempt before; 0: at once */
    int retry_ms;
    char why[WHY_BYTES], sqlstate[STATE_BYTES];
};

/* What an operator looks at, by the SQLSTATE that PostgreSQL gave, the longest first. */
static const struct {
    str_t state;
    const char *advice;
} advice_by_state[] = {
    { STR("28P01"), "database_user, database_password_file" },
    { STR("28"), "database_user, and pg_hba.conf of the server" },
    { STR("3D"), "database_name" },
    { STR("42501"), "database_name, database_user" },
    { STR("53300"), "max_connections of the server" },
    { STR("57P03"), "it starts or stops" },
};

/* By libpq's own words, where it was not PostgreSQL that refused. */
static const struct {
    str_t words;
    const char *advice;
} advice_by_words[] = {
    { STR("read-only"), "a standby, or it takes no writes" },
    { STR("password"), "database_password_file" },
    { STR("SSL"), "database_sslmode and its files" },
    { STR("certificate"), "database_sslmode and its files" },
    { STR("private key"), "database_sslmode and its files" },
};

/* NULL: PostgreSQL's words must do. */
static const char *advice_for(str_t state, str_t words)
{
    for (size_t i = 0; i < ARRAY_LEN(advice_by_state); i++)
        if (str_starts(state, advice_by_state[i].state))
            return advice_by_state[i].advice;
    for (size_t i = 0; i < ARRAY_LEN(advice_by_words) && state.n == 0; i++)
        if (str_find(words, advice_by_words[i].words) != SIZE_MAX)
            return advice_by_words[i].advice;
    return state.n == 0 ? "database_host, database_port" : NULL;
}

/* "FATAL:  28P01: no" gives 28P01 and leaves "no".  The severity may be in any language.
 */
static str_t cut_state(str_t *words)
{
    size_t at = str_find(*words, S(":  "));
    str_t rest = str_skip(*words, at == SIZE_MAX ? words->n : at + 3);

    if (rest.n < STATE_BYTES + 1 || rest.p[5] != ':' || rest.p[6] != ' ')
        return S("");
    *words = str_skip(rest, 7);
    return str_head(rest, 5);
}

/* libpq says what PostgreSQL said, behind a prefix with the place and before the line of
 * PostgreSQL's source, and once more for an attempt without TLS. */
static void explain(struct db_server *s, struct buf *why, const struct db_place *at,
                    const char *message)
{
    str_t rest = str_of(message), words = S(""), state;
    const char *advice;
    size_t prefix;

    (void)str_split(&rest, '\n', &words);
    prefix = str_find(words, S(" failed: "));
    if (prefix != SIZE_MAX)
        words = str_skip(words, prefix + 9);
    state = cut_state(&words);
    if (state.n > 0)
        snprintf(s->sqlstate, sizeof(s->sqlstate), "%.*s", STR_ARG(state));
    advice = advice_for(state, words);
    buf_printf(why, "%s%s", why->n > 0 ? "; " : "", at->host);
    if (at->address[0] != '\0' && strcmp(at->host, at->address) != 0)
        buf_printf(why, " (%s)", at->address);
    buf_printf(why, " port %s: %.*s", s->port, STR_ARG(str_head(words, 200)));
    if (advice != NULL)
        buf_printf(why, " (%s)", advice);
}

static PGconn *start_connection(const struct db_server *s, const struct db_place *at)
{
    const char *const pairs[][2] = {
        { "host", at->host },
        { "hostaddr", at->address },
        { "port", s->port },
        { "dbname", s->name },
        { "user", s->user },
        { "password", s->password },
        { "application_name", s->application },
        { "options", s->settings },
        { "client_encoding", "UTF8" },
        { "tcp_user_timeout", "5000" },
        { "keepalives_idle", "5" },
        { "keepalives_interval", "2" },
        { "keepalives_count", "3" },
        { "target_session_attrs", "read-write" },
        { "gssencmode", "disable" },
        { "sslmode", s->sslmode },
        { "sslrootcert", s->ca_file },
        { "sslcert", s->certificate_file },
        { "sslkey", s->key_file },
    };
    const char *keys[ARRAY_LEN(pairs) + 1] = { 0 }, *values[ARRAY_LEN(pairs) + 1] = { 0 };
    PGconn *conn;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        keys[i] = pairs[i][0];
        values[i] = pairs[i][1];
    }
    conn = PQconnectStartParams(keys, values, 0);
    /* With the SQLSTATE in what is said of a failure: there is no other way to learn it.
     */
    if (conn != NULL)
        PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    return conn;
}

bool db_server_wait(struct pg_conn *conn, short events, struct deadline until)
{
    struct pollfd p = { .fd = PQsocket(conn), .events = events };
    int n;

    do
        n = poll(&p, 1, (int)deadline_left_ms(until));
    while (n < 0 && !deadline_passed(until)); /* EINTR */
    return n > 0;
}

/* NULL: it is there; else why not. */
static const char *finish_connection(PGconn *conn, struct deadline until)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    if (conn == NULL)
        return "out of memory";
    if (PQstatus(conn) == CONNECTION_BAD)
        return PQerrorMessage(conn);
    while (state != PGRES_POLLING_OK) {
        if (!db_server_wait(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                            until))
            return "no answer in time";
        state = PQconnectPoll(conn);
        if (state == PGRES_POLLING_FAILED)
            return PQerrorMessage(conn);
    }
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    return PQsetnonblocking(conn, 1) == 0 && PQenterPipelineMode(conn) == 1
               ? NULL
               : PQerrorMessage(conn);
}

static void ignore_notice(void *user, const PGresult *r)
{
    (void)user;
    (void)r;
}

static PGconn *try_place(struct db_server *s, const struct db_place *at,
                         struct deadline until, struct buf *why)
{
    PGconn *conn = start_connection(s, at);
    const char *message = finish_connection(conn, until);

    if (message == NULL) {
        PQsetNoticeReceiver(conn, ignore_notice, NULL);
        return conn;
    }
    explain(s, why, at, message);
    PQfinish(conn);
    return NULL;
}

/* A server that is away must not cost each job the whole connect timeout: after a
 * failure the next attempts are refused at once for a while, with jitter so that many
 * processes do not come back in step. */
static void back_off(struct db_server *s)
{
    s->retry_ms = s->retry_ms == 0 ? RETRY_MIN_MS : s->retry_ms * 2;
    if (s->retry_ms > RETRY_MAX_MS)
        s->retry_ms = RETRY_MAX_MS;
    s->retry_at_ms = clock_monotonic_ms() + s->retry_ms / 2 +
                     crypto_random_below((uint32_t)s->retry_ms);
}

int64_t db_server_pause_ms(const struct db_server *s)
{
    int64_t left = s->retry_at_ms - clock_monotonic_ms();

    return left > 0 ? left : 0;
}

/* The place where it worked last time comes first. */
static size_t first_place(const struct db_server *s, const struct db_place *places,
                          size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(places[i].address, s->good) == 0)
            return i;
    return 0;
}

static PGconn *try_places(struct db_server *s, struct deadline until, struct buf *why)
{
    struct db_place places[DB_HOSTS_PLACES_MAX];
    size_t n =
        db_hosts_find(s->hosts, deadline_in_ms(deadline_left_ms(until) / 2), places, why);
    size_t first = first_place(s, places, n);

    for (size_t i = 0; i < n; i++) {
        const struct db_place *at = &places[(first + i) % n];
        int64_t share = deadline_left_ms(until) / (int64_t)(n - i);
        PGconn *conn = try_place(s, at, deadline_in_ms(share), why);

        if (conn != NULL) {
            memcpy(s->good, at->address, sizeof(s->good));
            return conn;
        }
    }
    return NULL;
}

struct pg_conn *db_server_open(struct db_server *s, int timeout_ms)
{
    struct buf why;
    PGconn *conn;

    if (db_server_pause_ms(s) > 0)
        return NULL;
    buf_init(&why, WHY_BYTES - 1);
    snprintf(s->sqlstate, sizeof(s->sqlstate), "08001");
    conn = try_places(s, deadline_in_ms(timeout_ms), &why);
    if (conn == NULL) {
        snprintf(s->why, sizeof(s->why), "%.*s", STR_ARG(buf_str(&why)));
        log_debug("db.connect_failed", "reason=\"%s\"", s->why);
        back_off(s);
    } else {
        s->why[0] = '\0';
        s->retry_ms = 0;
        s->retry_at_ms = 0;
    }
    buf_fini(&why);
    return conn;
}

const char *db_server_why(const struct db_server *s)
{
    return s->why;
}

const char *db_server_sqlstate(const struct db_server *s)
{
    return s->sqlstate;
}

/* ---- life ---- */

static char *copy(const char *s, const char *otherwise)
{
    const char *from = s == NULL || s[0] == '\0' ? otherwise : s;

    return from == NULL ? NULL : mem_cstr(from, strlen(from));
}

static char *copy_number(const char *before, int n)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "%s%d", before, n);

    CHECK(length > 0 && (size_t)length < sizeof(text));
    return mem_cstr(text, (size_t)length);
}

struct db_server *db_server_new(const struct db_options *o)
{
    struct db_server *s = mem_alloc(sizeof(*s));

    s->hosts = db_hosts_new(o->host == NULL ? "/var/run/postgresql" : o->host);
    s->port = copy_number("", o->port > 0 ? o->port : 5432);
    s->name = copy(o->name, "postbus");
    s->user = copy(o->user, NULL);
    s->password = copy(o->password, NULL);
    s->application = copy(o->application, "postbus");
    s->settings = copy_number(SESSION_SETTINGS, o->statement_timeout_ms > 0
                                                    ? o->statement_timeout_ms
                                                    : STATEMENT_TIMEOUT_MS);
    s->sslmode = copy(o->sslmode, NULL);
    s->ca_file = copy(o->ca_file, NULL);
    s->certificate_file = copy(o->certificate_file, NULL);
    s->key_file = copy(o->key_file, NULL);
    return s;
}

void db_server_free(struct db_server **s)
{
    struct db_server *d = *s;
    char *texts[] = { d->port,     d->name,        d->user,
                      d->password, d->application, d->settings,
                      d->sslmode,  d->ca_file,     d->certificate_file,
                      d->key_file };

    if (d->password != NULL)
        crypto_wipe(d->password, strlen(d->password));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        mem_free(texts[i]);
    db_hosts_free(&d->hosts);
    mem_free(d);
    *s = NULL;
}
