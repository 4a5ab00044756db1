/* options.h - the configuration of all services: one table, one struct.
 *
 * A value comes from the environment (POSTBUS_<NAME>), else from the file (chatmail.ini's
 * format: [params], `key = value`), else it is the default.  A secret also has the name
 * <name>_file, and is refused in the environment itself.  Immutable once loaded.
 * options.def is the table, a file for each room: a row there is a field here, a line of
 * --help and of the reference.
 * Thread: any, after loading.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "mail/dnsbl.h"
#include "mail/header_names.h"
#include "svc/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct domains;

enum options_user {
    OPTIONS_SMTP_INGRESS = 1 << 0,
    OPTIONS_IMAP_GATEWAY = 1 << 1,
    OPTIONS_QUEUE_WORKER = 1 << 2,
    OPTIONS_REMOTE_SENDER = 1 << 3,
    OPTIONS_REGISTRAR = 1 << 4,
    OPTIONS_JANITOR = 1 << 5,
    OPTIONS_POSTBUSCTL = 1 << 6,
};

enum { OPTIONS_USERS = 7, OPTIONS_ERROR_BYTES = 512 };

typedef int64_t options_type_INT;
typedef double options_type_REAL;
typedef int64_t options_type_SIZE; /* [bytes] */
typedef bool options_type_BOOL;
typedef int64_t options_type_PORT;
typedef const char *options_type_TEXT; /* never NULL */
typedef const char *options_type_SECRET;
typedef const char *options_type_CHOICE;
typedef const char *options_type_DOMAIN; /* an IPv4 address always in brackets */
typedef const char *options_type_LABEL;  /* of a domain, in lower case */
typedef const char *options_type_HOST;
typedef const char *options_type_HOSTS;
typedef const char *options_type_ADDRESS;
typedef const char *options_type_URL;
typedef const char *options_type_MAIL;
typedef const char *options_type_FILE;
typedef const char *options_type_FOLDER;
typedef const char *options_type_RESOLVERS;
typedef const char *options_type_PEERS;
typedef const char *options_type_NETWORKS;
typedef const char *options_type_ROUTES;     /* see routes.h */
typedef const char *options_type_COMMAND;    /* see command_line.h */
typedef const char *options_type_EXIT_CODES; /* likewise */
typedef const char *options_type_MILTERS;    /* see milters.h */
typedef struct policy options_type_POLICY;
typedef struct dnsbl options_type_DNSBL;
typedef struct header_names options_type_FIELDS;

struct options {
#define OPTION(kind, name, standard, min, max, unit, users, sentence)                    \
    options_type_##kind name;
#include "svc/options.def"
#undef OPTION
};

/* "smtp-ingress" and its bit; 0 and NULL when there is no such service. */
enum options_user options_user(const char *name);
const char *options_user_name(enum options_user user);

#define OPTIONS_STANDARD_FILE "/etc/postbus/postbus.ini"

/* Which file to load: the given one, else that of POSTBUS_CONFIG, else the standard one
 * if there is such a file, else NULL. */
const char *options_file(const char *given);

/* For each option POSTBUS_<NAME> of the environment, else file (NULL: none), else
 * POSTBUS_DEFAULT_<NAME>, else the default of the table.  RC_INVALID: error says file,
 * line, key and reason.  Keys of chatmail.ini without a meaning here are logged as
 * warnings. *out lives as long as the process. */
enum rc options_load(const char *file, enum options_user user, const struct options **out,
                     char error[OPTIONS_ERROR_BYTES]) RC_CHECKED;

/* Are the files and folders there that the user's options name?  A service starts without
 * them and waits; who asks whether a configuration is good wants to know now. */
enum rc options_look(const struct options *o, enum options_user user,
                     char error[OPTIONS_ERROR_BYTES]) RC_CHECKED;

/* Texts for people: the options that a service uses, all options as Markdown, and the
 * values that are in effect as a file (secrets masked). */
void options_print_help(struct buf *to, enum options_user user);
void options_print_reference(struct buf *to);
/* users: whose options.  reader: who loaded them, and so read its own secrets only. */
void options_print_effective(struct buf *to, const struct options *o, unsigned users,
                             enum options_user reader);

/* The peers options that a service uses on the bus, without the empty ones. */
struct options_peers {
    const char *name; /* of the option, "queue_worker_event_peers" */
    const char *text;
};
size_t options_peers(const struct options *o, enum options_user user,
                     struct options_peers *out, size_t room);

enum { OPTIONS_NAME_BYTES = 300 };

/* A count of threads: as configured, or by the cores of this machine. */
int options_io_threads(const struct options *o);
int options_worker_threads(const struct options *o);
int options_login_threads(const struct options *o);

/* Of so many connections to a port, what one client network may hold: as configured, or a
 * fifth. */
size_t options_per_network(const struct options *o, int64_t connections);

/* What clients and other servers call this host: without brackets.  A domain below
 * localhost means this machine (RFC 6761 6.3), but many resolvers do not know that: it
 * gives the address instead. */
const char *options_public_host(const struct options *o);
/* What this server calls itself in SMTP and trace fields: public_host or mail_domain, an
 * address as a literal (RFC 5321 4.1.3). */
void options_smtp_name(const struct options *o, char out[OPTIONS_NAME_BYTES]);
/* RC_INVALID: why says what is wrong. */
enum rc options_parse_domains(const struct options *o, struct arena *a,
                              struct domains *out, char *why, size_t room) RC_CHECKED;
/* mail_domain, more_mail_domains and their aliases.  Lives as long as the process.
 * Thread: the one that starts it. */
const struct domains *options_domains(const struct options *o);
bool options_is_ip_only(const struct options *o); /* mail_domain is an address */
/* No authority certifies such a domain: an address, or a name that begins with `_`. */
bool options_is_uncertified(const struct options *o);
