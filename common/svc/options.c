/* options.c - the sources of each row, and what follows from several rows.
 *
 * All options that were ever loaded stay: there is one set for each process.
 */
#include "svc/options.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "mail/domains.h"
#include "svc/options_ini.h"
#include "svc/options_row.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { SECRET_FILE_MAX_BYTES = 4096, ENV_NAME_BYTES = 128, NETWORK_SHARE = 5 };

extern char **environ;

static struct arena *forever;

static const char *const user_names[OPTIONS_USERS] = {
    "smtp-ingress", "imap-gateway", "queue-worker", "remote-sender",
    "registrar",    "janitor",      "postbusctl",
};

static const struct {
    const char *name, *reason;
} ignored[] = {
#define IGNORED(name, reason) { #name, reason },
#include "svc/options_ignored.def"
#undef IGNORED
};

/* One load. */
struct load {
    struct arena *arena;
    const char *file; /* NULL: none */
    struct options_ini ini;
    enum options_user user;
    struct options *out;
    char *error;
};

enum options_user options_user(const char *name)
{
    for (int i = 0; i < OPTIONS_USERS; i++) {
        if (strcmp(user_names[i], name) == 0)
            return 1 << i;
    }
    return 0;
}

const char *options_user_name(enum options_user user)
{
    for (int i = 0; i < OPTIONS_USERS; i++) {
        if ((unsigned)user == 1u << i)
            return user_names[i];
    }
    return NULL;
}

static enum rc read_file(struct arena *a, const char *path, size_t max, str_t *out)
{
    struct buf *b = arena_buf(a, max);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    char piece[4096];

    if (fd < 0)
        return RC_NOT_FOUND;
    while ((n = read(fd, piece, sizeof(piece))) > 0 &&
           buf_append(b, piece, (size_t)n) == RC_OK)
        continue;
    close(fd);
    *out = buf_str(b);
    if (b->full)
        errno = EFBIG;
    return n < 0 || b->full ? RC_INVALID : RC_OK;
}

/* What an image or compose file brings along stands below the file of its operator. */
#define ENV_PREFIX         "POSTBUS_"
#define ENV_DEFAULT_PREFIX "POSTBUS_DEFAULT_"

static void env_name(char out[ENV_NAME_BYTES], const char *prefix, const char *name,
                     const char *suffix)
{
    snprintf(out, ENV_NAME_BYTES, "%s%s%s", prefix, name, suffix);
    for (char *p = out; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
}

/* Kubernetes and Docker put the addresses of other services into the environment, and
 * one that is called postbus-smtp becomes POSTBUS_SMTP_PORT=tcp://... */
static bool is_service_link(const char *name, const char *value)
{
    return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
           strstr(name, "_SERVICE_HOST") != NULL ||
           strstr(name, "_SERVICE_PORT") != NULL || strstr(name, "_PORT_") != NULL;
}

static const char *env_get(const char *prefix, const char *name, const char *suffix)
{
    char variable[ENV_NAME_BYTES];
    const char *value;

    env_name(variable, prefix, name, suffix);
    value = getenv(variable);
    return value == NULL || is_service_link("", value) ? NULL : value;
}

static bool is_env_option(const char *prefix, const char *variable)
{
    char name[ENV_NAME_BYTES];

    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];

        env_name(name, prefix, row->name, "");
        if (strcmp(name, variable) == 0)
            return true;
        env_name(name, prefix, row->name, "_FILE");
        if (row->kind == OPTIONS_SECRET && strcmp(name, variable) == 0)
            return true;
    }
    return false;
}

static bool is_env_known(const char *variable)
{
    return strcmp(variable, "POSTBUS_CONFIG") == 0 ||
           strncmp(variable, "POSTBUS_TEST_", 13) == 0 ||
           is_env_option(ENV_PREFIX, variable) ||
           is_env_option(ENV_DEFAULT_PREFIX, variable);
}

static enum rc check_environment(struct load *l)
{
    for (char **e = environ; *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        char variable[ENV_NAME_BYTES];

        if (strncmp(*e, ENV_PREFIX, 8) != 0 || equals == NULL)
            continue;
        snprintf(variable, sizeof(variable), "%.*s", (int)(equals - *e), *e);
        if (is_env_known(variable) || is_service_link(variable, equals + 1))
            continue;
        snprintf(l->error, OPTIONS_ERROR_BYTES,
                 "environment: %s: there is no such option; --help shows all", variable);
        return RC_INVALID;
    }
    return RC_OK;
}

static const struct options_ini_entry *ini_find(const struct load *l, const char *name)
{
    for (size_t i = 0; i < l->ini.count; i++) {
        if (str_eq(l->ini.entries[i].key, str_of(name)))
            return &l->ini.entries[i];
    }
    return NULL;
}

static const char *ignored_reason(str_t key)
{
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
        if (str_eq(key, str_of(ignored[i].name)))
            return ignored[i].reason;
    }
    return NULL;
}

static bool is_secret_file(str_t key)
{
    const struct options_row *row;

    if (!str_ends_nocase(key, S("_file")) || key.n <= 5)
        return false;
    row = options_row_find(str_head(key, key.n - 5));
    return row != NULL && row->kind == OPTIONS_SECRET;
}

static enum rc check_file(struct load *l)
{
    for (size_t i = 0; i < l->ini.count; i++) {
        const struct options_ini_entry *e = &l->ini.entries[i];
        const char *reason = ignored_reason(e->key);

        if (options_row_find(e->key) != NULL || is_secret_file(e->key))
            continue;
        if (reason != NULL) {
            log_warn("config.ignored", "file=%s line=%d key=%.*s reason=\"%s\"", l->file,
                     e->line, STR_ARG(e->key), reason);
            continue;
        }
        snprintf(l->error, OPTIONS_ERROR_BYTES,
                 "%s:%d: %.*s: there is no such option; --help shows all", l->file,
                 e->line, STR_ARG(str_head(e->key, 100)));
        return RC_INVALID;
    }
    return RC_OK;
}

static enum rc take(struct load *l, const struct options_row *row, str_t value,
                    const char *source)
{
    char why[OPTIONS_ERROR_BYTES / 2];
    enum rc rc = options_row_parse(row, l->arena, value, l->out, why, sizeof(why));

    if (rc != RC_OK)
        snprintf(l->error, OPTIONS_ERROR_BYTES, "%.120s: %s: %s", source, row->name, why);
    return rc;
}

static enum rc take_file(struct load *l, const struct options_row *row, const char *path,
                         const char *source)
{
    str_t value;

    if (read_file(l->arena, path, SECRET_FILE_MAX_BYTES, &value) == RC_OK)
        return take(l, row, str_trim(value), path);
    snprintf(l->error, OPTIONS_ERROR_BYTES, "%.120s: %s_file: cannot read %.200s: %s",
             source, row->name, path, strerror(errno));
    return RC_INVALID;
}

static const char *source_of(struct load *l, const struct options_ini_entry *e)
{
    return arena_printf(l->arena, "%s:%d", l->file, e->line);
}

static enum rc load_secret_file(struct load *l, const struct options_row *row,
                                bool *found)
{
    const char *path = env_get(ENV_PREFIX, row->name, "_FILE");
    const char *standard = env_get(ENV_DEFAULT_PREFIX, row->name, "_FILE");
    const struct options_ini_entry *e =
        ini_find(l, arena_printf(l->arena, "%s_file", row->name));

    *found = path != NULL || e != NULL || standard != NULL;
    if (env_get(ENV_PREFIX, row->name, "") != NULL ||
        env_get(ENV_DEFAULT_PREFIX, row->name, "") != NULL) {
        snprintf(l->error, OPTIONS_ERROR_BYTES,
                 "environment: %s: a secret in the environment leaks; name a file in the "
                 "variable with _FILE at its end",
                 row->name);
        return RC_INVALID;
    }
    if (path != NULL)
        return take_file(l, row, path, "environment");
    if (e != NULL)
        return take_file(l, row, arena_cstr(l->arena, e->value), source_of(l, e));
    return standard != NULL ? take_file(l, row, standard, "environment") : RC_OK;
}

static str_t standard_value(const struct load *l, const struct options_row *row)
{
    str_t text = str_of(row->standard);
    size_t at = str_find(text, S("%S"));
    char *name;

    if (at == SIZE_MAX)
        return text;
    if (l->user == OPTIONS_POSTBUSCTL) /* the owner of the database */
        return S("postbus");
    name = arena_cstr(l->arena, str_of(options_user_name(l->user)));
    for (char *p = name; *p != '\0'; p++)
        *p = *p == '-' ? '_' : *p;
    return str_of(arena_printf(l->arena, "%.*s%s%s", (int)at, text.p, name,
                               row->standard + at + 2));
}

static enum rc load_row(struct load *l, const struct options_row *row)
{
    bool is_secret = row->kind == OPTIONS_SECRET;
    const char *value = is_secret ? NULL : env_get(ENV_PREFIX, row->name, "");
    const char *standard = is_secret ? NULL : env_get(ENV_DEFAULT_PREFIX, row->name, "");
    const struct options_ini_entry *e = ini_find(l, row->name);
    bool found = false;
    enum rc rc = RC_OK;

    /* A service reads its own secrets only; it may not even be allowed to open others. */
    if (is_secret && !(row->users & l->user))
        return take(l, row, S(""), "default");
    if (is_secret)
        rc = load_secret_file(l, row, &found);
    if (rc != RC_OK || found)
        return rc;
    if (value != NULL)
        return take(l, row, str_trim(str_of(value)), "environment");
    if (e != NULL)
        return take(l, row, e->value, source_of(l, e));
    if (standard != NULL)
        return take(l, row, str_trim(str_of(standard)), "environment");
    if (row->kind != OPTIONS_DOMAIN)
        return take(l, row, standard_value(l, row), "default");
    if (!(row->users & l->user))
        return take(l, row, S("localhost"), "default");
    snprintf(l->error, OPTIONS_ERROR_BYTES,
             "%s is missing; set it in the file or as POSTBUS_MAIL_DOMAIN", row->name);
    return RC_INVALID;
}

/* "CERT KEY" fills what the two separate options leave open. */
static enum rc split_external(struct load *l)
{
    struct options *o = l->out;
    str_t key = str_trim(str_of(o->tls_external_cert_and_key)), cert;

    if (key.n == 0)
        return RC_OK;
    if (!str_split(&key, ' ', &cert) || str_trim(key).n == 0 ||
        str_find_char(str_trim(key), ' ') != SIZE_MAX) {
        snprintf(l->error, OPTIONS_ERROR_BYTES,
                 "tls_external_cert_and_key: must be two paths, separated by a blank");
        return RC_INVALID;
    }
    if (o->tls_certificate_file[0] == '\0')
        o->tls_certificate_file = arena_cstr(l->arena, cert);
    if (o->tls_key_file[0] == '\0')
        o->tls_key_file = arena_cstr(l->arena, str_trim(key));
    return RC_OK;
}

static const char *text_of(const struct options *o, const struct options_row *row)
{
    return *(const char *const *)((const char *)o + row->offset);
}

static int64_t port_of(const struct options *o, const struct options_row *row)
{
    return *(const int64_t *)((const char *)o + row->offset);
}

/* A row of kind PORT has the option with its address in its unit. */
static const char *address_of(const struct options *o, const struct options_row *row)
{
    const char *text = text_of(o, options_row_find(str_of(row->unit)));
    bool any =
        strcmp(text, "*") == 0 || strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0;

    return any ? "" : text;
}

static bool is_listened_on(const struct load *l, const struct options_row *row)
{
    return row->kind == OPTIONS_PORT && (row->users & l->user) != 0 &&
           port_of(l->out, row) != 0;
}

static bool do_meet(const struct options *o, const struct options_row *a,
                    const struct options_row *b)
{
    const char *at = address_of(o, a), *bt = address_of(o, b);

    return port_of(o, a) == port_of(o, b) &&
           (at[0] == '\0' || bt[0] == '\0' || strcmp(at, bt) == 0);
}

static enum rc check_ports(struct load *l)
{
    const struct options_row *all = options_row_all;

    for (size_t i = 0; i < options_row_count; i++) {
        for (size_t k = 0; k < i && is_listened_on(l, &all[i]); k++) {
            if (!is_listened_on(l, &all[k]) || !do_meet(l->out, &all[i], &all[k]))
                continue;
            snprintf(l->error, OPTIONS_ERROR_BYTES, "%s and %s are both %" PRId64,
                     all[k].name, all[i].name, port_of(l->out, &all[i]));
            return RC_INVALID;
        }
    }
    return RC_OK;
}

/* Is it an address of one of our own domains? */
static bool is_account(const struct domains *d, const char *account)
{
    size_t at = strcspn(account, "@");

    return account[0] == '\0' ||
           (account[at] == '@' && is_ours(d, str_of(account + at + 1)));
}

/* A name of an account could not be reached if a tag began in it. */
static bool is_delimiter(const char *text)
{
    return strspn(text, "#$&'*+/=?^`{|}~") == strlen(text);
}

static enum rc check_domains(struct load *l)
{
    const struct options *o = l->out;
    struct domains domains;
    const char *why = NULL;

    if (options_parse_domains(o, l->arena, &domains, l->error, OPTIONS_ERROR_BYTES) !=
        RC_OK)
        return RC_INVALID;
    if (l->user == OPTIONS_SMTP_INGRESS && !is_account(&domains, o->postmaster_account))
        why = "postmaster_account is not an account of mail_domain";
    if (l->user == OPTIONS_SMTP_INGRESS && !is_account(&domains, o->abuse_account))
        why = "abuse_account is not an account of mail_domain";
    if (!is_delimiter(o->recipient_delimiter))
        why = "recipient_delimiter: only # $ & ' * + / = ? ^ ` { | } ~ may begin a tag";
    if (why == NULL)
        return RC_OK;
    snprintf(l->error, OPTIONS_ERROR_BYTES, "%s", why);
    return RC_INVALID;
}

static enum rc check_together(struct load *l)
{
    const struct options *o = l->out;
    const char *why = NULL;

    if (o->username_min_length > o->username_max_length)
        why = "username_min_length is above username_max_length";
    if (o->retry_min_seconds > o->retry_max_seconds)
        why = "retry_min_seconds is above retry_max_seconds";
    if ((o->tls_certificate_file[0] == '\0') != (o->tls_key_file[0] == '\0'))
        why = "of tls_certificate_file and tls_key_file only one is set";
    if ((o->database_certificate_file[0] == '\0') != (o->database_key_file[0] == '\0'))
        why = "of database_certificate_file and database_key_file only one is set";
    if (strncmp(o->database_sslmode, "verify", 6) == 0 && o->database_ca_file[0] == '\0')
        why = "database_sslmode wants to verify, which needs database_ca_file";
    if (o->proxy_protocol && o->trusted_proxies[0] == '\0')
        why = "proxy_protocol needs trusted_proxies, or nobody could connect";
    if (o->authorize_sender.action != POLICY_OFF && o->authorize_sender_file[0] == '\0')
        why = "authorize_sender needs authorize_sender_file";
    if (o->dnsbl.action != POLICY_OFF && o->dnsbl_lists.count == 0)
        why = "dnsbl needs dnsbl_lists, or nobody is asked";
    if (l->user != OPTIONS_POSTBUSCTL && o->cluster_secret[0] == '\0')
        why = "cluster_secret_file is missing; `postbusctl secret` prints what may stand "
              "in that file";
    if (why == NULL)
        return RC_OK;
    snprintf(l->error, OPTIONS_ERROR_BYTES, "%s", why);
    return RC_INVALID;
}

static enum rc load_file(struct load *l)
{
    const char *why;
    str_t text;
    int line;

    if (read_file(l->arena, l->file, OPTIONS_INI_MAX_BYTES, &text) != RC_OK) {
        snprintf(l->error, OPTIONS_ERROR_BYTES, "cannot read %.300s: %s", l->file,
                 strerror(errno));
        return RC_INVALID;
    }
    if (options_ini_parse(l->arena, text, &l->ini, &line, &why) == RC_OK)
        return check_file(l);
    snprintf(l->error, OPTIONS_ERROR_BYTES, "%.300s:%d: %s", l->file, line, why);
    return RC_INVALID;
}

const char *options_file(const char *given)
{
    if (given == NULL)
        given = getenv("POSTBUS_CONFIG");
    if (given != NULL)
        return given;
    /* One that we may not see is there all the same: reading it will say so. */
    if (access(OPTIONS_STANDARD_FILE, F_OK) != 0 && errno == ENOENT)
        return NULL;
    return OPTIONS_STANDARD_FILE;
}

enum rc options_load(const char *file, enum options_user user, const struct options **out,
                     char error[OPTIONS_ERROR_BYTES])
{
    struct load l = { .file = file, .user = user, .error = error };
    enum rc rc = RC_OK;

    if (forever == NULL)
        forever = arena_new();
    l.arena = forever;
    l.out = arena_alloc(l.arena, sizeof(*l.out));
    if (file != NULL)
        rc = load_file(&l);
    if (rc == RC_OK)
        rc = check_environment(&l);
    for (size_t i = 0; rc == RC_OK && i < options_row_count; i++)
        rc = load_row(&l, &options_row_all[i]);
    if (rc == RC_OK)
        rc = split_external(&l);
    if (rc == RC_OK)
        rc = check_together(&l);
    if (rc == RC_OK)
        rc = check_domains(&l);
    if (rc == RC_OK)
        rc = check_ports(&l);
    *out = rc == RC_OK ? l.out : NULL;
    return rc;
}

enum rc options_look(const struct options *o, enum options_user user,
                     char error[OPTIONS_ERROR_BYTES])
{
    char why[OPTIONS_ERROR_BYTES / 2];

    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];

        if ((row->users & user) == 0 ||
            options_row_look(row, o, why, sizeof(why)) == RC_OK)
            continue;
        snprintf(error, OPTIONS_ERROR_BYTES, "%s: %s", row->name, why);
        return RC_INVALID;
    }
    return RC_OK;
}

static bool is_of_bus(const struct options_row *row)
{
    return str_ends_nocase(str_of(row->name), S("_work_peers")) ||
           str_ends_nocase(str_of(row->name), S("_event_peers"));
}

size_t options_peers(const struct options *o, enum options_user user,
                     struct options_peers *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < options_row_count && n < room; i++) {
        const struct options_row *row = &options_row_all[i];

        if (row->kind == OPTIONS_PEERS && (row->users & user) && is_of_bus(row) &&
            text_of(o, row)[0] != '\0')
            out[n++] = (struct options_peers){ row->name, text_of(o, row) };
    }
    return n;
}

static int cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

int options_io_threads(const struct options *o)
{
    return o->io_threads > 0 ? (int)o->io_threads : cores();
}

int options_worker_threads(const struct options *o)
{
    int standard = cores() * 2 < 4 ? 4 : cores() * 2;

    return o->worker_threads > 0 ? (int)o->worker_threads : standard;
}

int options_login_threads(const struct options *o)
{
    return o->login_threads > 0 ? (int)o->login_threads : cores();
}

size_t options_per_network(const struct options *o, int64_t connections)
{
    if (o->max_connections_per_network > 0)
        return (size_t)o->max_connections_per_network;
    return (size_t)((connections + NETWORK_SHARE - 1) / NETWORK_SHARE);
}
