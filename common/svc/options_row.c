/* options_row.c - one parser for each kind, chosen by a table. */
#include "svc/options_row.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "bus/peers.h"
#include "mail/address.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "store/db_hosts.h"
#include "svc/command_line.h"
#include "svc/milters.h"
#include "svc/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INGRESS = OPTIONS_SMTP_INGRESS,
    GATEWAY = OPTIONS_IMAP_GATEWAY,
    WORKER = OPTIONS_QUEUE_WORKER,
    SENDER = OPTIONS_REMOTE_SENDER,
    REGISTRAR = OPTIONS_REGISTRAR,
    JANITOR = OPTIONS_JANITOR,
    SERVICES = INGRESS | GATEWAY | WORKER | SENDER | REGISTRAR | JANITOR,
    CTL = OPTIONS_POSTBUSCTL,
    ALL = SERVICES | CTL,
};

const struct options_row options_row_all[] = {
#define OPTION(kind, name, standard, min, max, unit, users, sentence)                    \
    { OPTIONS_##kind,                                                                    \
      #name,                                                                             \
      standard,                                                                          \
      min,                                                                               \
      max,                                                                               \
      unit,                                                                              \
      users,                                                                             \
      sentence,                                                                          \
      offsetof(struct options, name) },
#include "svc/options.def"
#undef OPTION
};
const size_t options_row_count = ARRAY_LEN(options_row_all);

struct reading {
    const struct options_row *row;
    struct arena *arena;
    void *field;
    char *why;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static enum rc refuse(const struct reading *r,
                                                            const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->why, r->room, format, args);
    va_end(args);
    return RC_INVALID;
}

/* As people write it: in the largest unit that leaves no rest. */
static const char *size_text(int64_t bytes, char out[32])
{
    static const char suffixes[] = "TGMk";

    for (int i = 0; suffixes[i] != '\0' && bytes != 0; i++) {
        int64_t unit = INT64_C(1) << (40 - 10 * i);

        if (bytes % unit == 0) {
            snprintf(out, 32, "%" PRId64 "%c", bytes / unit, suffixes[i]);
            return out;
        }
    }
    snprintf(out, 32, "%" PRId64, bytes);
    return out;
}

/* "1 to 600", "64k to 60M" */
static void put_range(const struct options_row *row, struct buf *to)
{
    char min[32], max[32];

    if (row->kind == OPTIONS_SIZE)
        buf_printf(to, "%s to %s", size_text(row->min, min), size_text(row->max, max));
    else
        buf_printf(to, "%" PRId64 " to %" PRId64, row->min, row->max);
}

static enum rc refuse_range(const struct reading *r)
{
    struct buf range;
    enum rc rc;

    buf_init(&range, 100);
    put_range(r->row, &range);
    rc = refuse(r, "out of range, must be %.*s", STR_ARG(buf_str(&range)));
    buf_fini(&range);
    return rc;
}

static enum rc put_number(const struct reading *r, uint64_t v)
{
    const struct options_row *row = r->row;

    if (v > INT64_MAX || (int64_t)v < row->min || (int64_t)v > row->max)
        return refuse_range(r);
    *(int64_t *)r->field = (int64_t)v;
    return RC_OK;
}

static enum rc parse_int(const struct reading *r, str_t text)
{
    uint64_t v;

    if (!str_to_u64(text, INT64_MAX, &v))
        return refuse(r, "not a whole number");
    return put_number(r, v);
}

static enum rc parse_real(const struct reading *r, str_t text)
{
    const char *c = arena_cstr(r->arena, text);
    char *end;
    double v;

    if (text.n == 0 || strspn(c, "0123456789.") != text.n)
        return refuse(r, "not a number");
    v = strtod(c, &end);
    if (*end != '\0' || !isfinite(v))
        return refuse(r, "not a number");
    if (v < (double)r->row->min || v > (double)r->row->max)
        return refuse_range(r);
    *(double *)r->field = v;
    return RC_OK;
}

/* "500M", "1G", "1GB"; a bare number counts in the row's unit, as in chatmail.ini. */
static enum rc parse_size(const struct reading *r, str_t text)
{
    static const char suffixes[] = "kmgt";
    uint64_t scale = strcmp(r->row->unit, "MB") == 0 ? 1 << 20 : 1, v;
    const char *suffix = NULL;

    if (text.n > 1 && str_lower_char((unsigned char)text.p[text.n - 1]) == 'b')
        text.n--;
    if (text.n > 1)
        suffix = strchr(suffixes, str_lower_char((unsigned char)text.p[text.n - 1]));
    if (suffix != NULL) {
        scale = UINT64_C(1) << (10 * (suffix - suffixes + 1));
        text = str_trim(str_n(text.p, text.n - 1));
    }
    if (!str_to_u64(text, INT64_MAX, &v))
        return refuse(r, "not a size such as 500M");
    return put_number(r, v > (uint64_t)INT64_MAX / scale ? INT64_MAX : v * scale);
}

static enum rc parse_bool(const struct reading *r, str_t text)
{
    *(bool *)r->field = str_eq_nocase(text, S("true"));
    if (!*(bool *)r->field && !str_eq_nocase(text, S("false")))
        return refuse(r, "neither true nor false");
    return RC_OK;
}

static enum rc parse_text(const struct reading *r, str_t text)
{
    const struct options_row *row = r->row;

    if (str_find_char(text, '\0') != SIZE_MAX)
        return refuse(r, "contains a NUL byte");
    if (text.n > (size_t)row->max || (text.n < (size_t)row->min && text.n > 0))
        return refuse(r, "%zu bytes long, must be %" PRId64 " to %" PRId64, text.n,
                      row->min, row->max);
    if (text.n == 0 && row->min > 0 && row->kind != OPTIONS_SECRET)
        return refuse(r, "must not be empty");
    *(const char **)r->field = arena_cstr(r->arena, text);
    return RC_OK;
}

static bool is_one_of(const char *list, str_t word)
{
    str_t words = str_of(list), one;

    while (str_split(&words, ' ', &one))
        if (str_eq(one, word))
            return true;
    return false;
}

static enum rc parse_choice(const struct reading *r, str_t text)
{
    if (!is_one_of(r->row->unit, text))
        return refuse(r, "must be one of: %s", r->row->unit);
    *(const char **)r->field = arena_cstr(r->arena, text);
    return RC_OK;
}

static bool is_ipv4(str_t text, char out[INET_ADDRSTRLEN])
{
    struct in_addr ignored;

    if (text.n >= INET_ADDRSTRLEN)
        return false;
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return inet_pton(AF_INET, out, &ignored) == 1;
}

static bool is_label(str_t label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        bool inside = i > 0 && i + 1 < label.n;

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c == '-' && inside) &&
            !(c == '_' && i == 0))
            return false;
    }
    return label.n > 0 && label.n <= 63;
}

static enum rc parse_domain(const struct reading *r, str_t text)
{
    char ip[INET_ADDRSTRLEN];
    str_t rest, label;

    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
        text = str_n(text.p + 1, text.n - 2);
        if (!is_ipv4(text, ip))
            return refuse(r, "only an IPv4 address may stand in brackets");
    }
    if (is_ipv4(text, ip)) {
        *(const char **)r->field = arena_printf(r->arena, "[%s]", ip);
        return RC_OK;
    }
    text = arena_str_lower(r->arena, text);
    if (text.n == 0 || text.n > 253 || text.p[text.n - 1] == '.')
        return refuse(r, "not a domain");
    rest = text;
    while (str_split(&rest, '.', &label)) {
        if (!is_label(label))
            return refuse(r, "not a domain; one with other letters is written in its "
                             "xn-- form");
    }
    *(const char **)r->field = arena_cstr(r->arena, text);
    return RC_OK;
}

static enum rc parse_label(const struct reading *r, str_t text)
{
    text = arena_str_lower(r->arena, text);
    if (!is_label(text))
        return refuse(r, "not a label of a domain: letters, digits and `-`");
    return parse_text(r, text);
}

/* The word of a row that stands for none: "disabled". */
static bool is_word(const struct options_row *row, str_t text)
{
    return text.n == 0 || str_eq(text, str_of(row->unit));
}

static bool is_address(str_t text)
{
    struct addr ignored;

    return addr_parse(text, &ignored) == RC_OK;
}

static bool is_host(str_t text)
{
    return is_address(text) || address_is_ipv4_literal(text) ||
           address_is_domain(text, 0);
}

static enum rc parse_host(const struct reading *r, str_t text)
{
    if (text.n > 0 && !is_host(text))
        return refuse(r,
                      "neither a host name nor an address, which have no https:// before "
                      "and no port behind them");
    return parse_text(r, text);
}

static enum rc parse_hosts(const struct reading *r, str_t text)
{
    str_t rest = text, one;
    int count = 0;

    while (str_split(&rest, ',', &one)) {
        one = str_trim(one);
        if (!is_host(one) && !str_starts(one, S("/")))
            return refuse(r,
                          "neither a host name, an address nor an absolute folder: %.*s",
                          STR_ARG(str_head(one, 100)));
        if (++count > DB_HOSTS_MAX)
            return refuse(r, "more than %d hosts", DB_HOSTS_MAX);
    }
    return parse_text(r, text);
}

static enum rc parse_address(const struct reading *r, str_t text)
{
    if (!is_word(r->row, text) && !is_address(text))
        return refuse(r, "not an IP address");
    return parse_text(r, text);
}

static enum rc parse_url(const struct reading *r, str_t text)
{
    str_t rest = text;

    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] <= ' ' || strchr("\"<>\\", text.p[i]) != NULL)
            return refuse(r,
                          "not a URL: blanks, quotes and the like are written as %%20");
    }
    if (str_starts(text, S("https://")))
        rest = str_skip(text, 8);
    else if (str_starts(text, S("http://")))
        rest = str_skip(text, 7);
    if (text.n > 0 && (rest.n == text.n || rest.n == 0 || rest.p[0] == '/'))
        return refuse(r, "not a URL such as https://host.example/path");
    return parse_text(r, text);
}

static enum rc parse_mail(const struct reading *r, str_t text)
{
    struct address ignored;

    if (text.n > 0 && address_parse(text, 0, &ignored) != RC_OK)
        return refuse(r, "not a mail address such as name@host.example");
    return parse_text(r, text);
}

static enum rc parse_resolvers(const struct reading *r, str_t text)
{
    str_t rest = text, one;
    struct addr ignored;

    while (!str_eq(text, S("root")) && str_split(&rest, ',', &one)) {
        if (addr_parse_port(str_trim(one), 53, &ignored) != RC_OK)
            return refuse(r, "neither root nor a list of addresses such as 192.0.2.1, "
                             "[2001:db8::1]:5353");
    }
    return parse_text(r, text);
}

static enum rc parse_peers(const struct reading *r, str_t text)
{
    struct peers_spec *spec = arena_alloc(r->arena, sizeof(*spec));
    const char *why;

    if (text.n > 0 && peers_parse(text, spec, &why) != RC_OK)
        return refuse(r, "%s", why);
    return parse_text(r, text);
}

static enum rc parse_networks(const struct reading *r, str_t text)
{
    struct cidr_list *list;

    if (cidr_list_new(text, &list) != RC_OK)
        return refuse(r, "not a list of networks such as 10.0.0.0/8, fd00::/8");
    cidr_list_free(&list);
    return parse_text(r, text);
}

static enum rc parse_command(const struct reading *r, str_t text)
{
    const char *why;
    char **ignored;

    if (command_line_split(r->arena, text, &ignored, &why) != RC_OK)
        return refuse(r, "%s", why);
    return parse_text(r, text);
}

static enum rc parse_exit_codes(const struct reading *r, str_t text)
{
    struct command_line_codes ignored;
    const char *why;

    if (command_line_codes(r->arena, text, &ignored, &why) != RC_OK)
        return refuse(r, "%s", why);
    return parse_text(r, text);
}

static enum rc parse_milters(const struct reading *r, str_t text)
{
    struct milters ignored;
    const char *why;

    if (milters_parse(r->arena, text, &ignored, &why) != RC_OK)
        return refuse(r, "%s", why);
    return parse_text(r, text);
}

static enum rc parse_routes(const struct reading *r, str_t text)
{
    char why[OPTIONS_ERROR_BYTES / 2];
    struct routes ignored;

    if (routes_parse(r->arena, text, &ignored, why, sizeof(why)) != RC_OK)
        return refuse(r, "%s", why);
    return parse_text(r, text);
}

/* The row's unit names the actions that make sense, its range the codes. */
static enum rc parse_policy(const struct reading *r, str_t text)
{
    const struct options_row *row = r->row;
    const char *why;
    struct policy p;

    if (policy_parse(r->arena, text, &p, &why) != RC_OK)
        return refuse(r, "%s", why);
    if (p.code != 0 && row->max > 0 && (p.code < row->min || p.code > row->max))
        return refuse_range(r);
    if (row->unit[0] != '\0' &&
        !is_one_of(row->unit, str_of(policy_action_name(p.action))))
        return refuse(r, "must be one of: %s", row->unit);
    *(struct policy *)r->field = p;
    return RC_OK;
}

static enum rc parse_dnsbl(const struct reading *r, str_t text)
{
    char why[OPTIONS_ERROR_BYTES / 2];

    if (dnsbl_parse(r->arena, text, r->field, why, sizeof(why)) != RC_OK)
        return refuse(r, "%s", why);
    return RC_OK;
}

static enum rc parse_fields(const struct reading *r, str_t text)
{
    char why[OPTIONS_ERROR_BYTES / 2];

    if (header_names_parse(r->arena, text, r->field, why, sizeof(why)) != RC_OK)
        return refuse(r, "%s", why);
    return RC_OK;
}

static const char *look_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return strerror(errno);
    close(fd);
    return NULL;
}

static const char *look_folder(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0)
        return strerror(errno);
    if (!S_ISDIR(found.st_mode))
        return "it is not a folder";
    return access(path, R_OK | X_OK) == 0 ? NULL : strerror(errno);
}

static const struct {
    enum rc (*parse)(const struct reading *r, str_t text);
    const char *word;
    const char *(*look)(const char *path); /* NULL, or what is amiss */
} kinds[OPTIONS_KINDS] = {
    [OPTIONS_INT] = { parse_int, "number", NULL },
    [OPTIONS_REAL] = { parse_real, "number", NULL },
    [OPTIONS_SIZE] = { parse_size, "size", NULL },
    [OPTIONS_BOOL] = { parse_bool, "true or false", NULL },
    [OPTIONS_TEXT] = { parse_text, "text", NULL },
    [OPTIONS_SECRET] = { parse_text, "secret", NULL },
    [OPTIONS_CHOICE] = { parse_choice, "one of", NULL },
    [OPTIONS_DOMAIN] = { parse_domain, "domain", NULL },
    [OPTIONS_LABEL] = { parse_label, "label", NULL },
    [OPTIONS_PORT] = { parse_int, "port", NULL },
    [OPTIONS_HOST] = { parse_host, "host", NULL },
    [OPTIONS_HOSTS] = { parse_hosts, "hosts", NULL },
    [OPTIONS_ADDRESS] = { parse_address, "address", NULL },
    [OPTIONS_URL] = { parse_url, "URL", NULL },
    [OPTIONS_MAIL] = { parse_mail, "mail address", NULL },
    [OPTIONS_FILE] = { parse_text, "file", look_file },
    [OPTIONS_FOLDER] = { parse_text, "folder", look_folder },
    [OPTIONS_RESOLVERS] = { parse_resolvers, "name servers", NULL },
    [OPTIONS_PEERS] = { parse_peers, "peers", NULL },
    [OPTIONS_NETWORKS] = { parse_networks, "networks", NULL },
    [OPTIONS_ROUTES] = { parse_routes, "routes", NULL },
    [OPTIONS_COMMAND] = { parse_command, "command", NULL },
    [OPTIONS_EXIT_CODES] = { parse_exit_codes, "exit codes", NULL },
    [OPTIONS_MILTERS] = { parse_milters, "milters", NULL },
    [OPTIONS_POLICY] = { parse_policy, "policy", NULL },
    [OPTIONS_DNSBL] = { parse_dnsbl, "lists", NULL },
    [OPTIONS_FIELDS] = { parse_fields, "names of header fields", NULL },
};

const struct options_row *options_row_find(str_t name)
{
    for (size_t i = 0; i < options_row_count; i++) {
        if (str_eq(name, str_of(options_row_all[i].name)))
            return &options_row_all[i];
    }
    return NULL;
}

enum rc options_row_parse(const struct options_row *row, struct arena *a, str_t text,
                          struct options *to, char *why, size_t room)
{
    struct reading r = { row, a, (char *)to + row->offset, why, room };

    return kinds[row->kind].parse(&r, text);
}

enum rc options_row_look(const struct options_row *row, const struct options *o,
                         char *why, size_t room)
{
    const char *path, *trouble;

    if (kinds[row->kind].look == NULL)
        return RC_OK;
    path = *(const char *const *)((const char *)o + row->offset);
    trouble = is_word(row, str_of(path)) ? NULL : kinds[row->kind].look(path);
    if (trouble == NULL)
        return RC_OK;
    snprintf(why, room, "cannot read %.200s: %s", path, trouble);
    return RC_INVALID;
}

void options_row_format(const struct options_row *row, const struct options *o,
                        struct buf *to)
{
    const void *field = (const char *)o + row->offset;
    char text[32];

    switch (row->kind) {
    case OPTIONS_INT:
    case OPTIONS_PORT:
        buf_printf(to, "%" PRId64, *(const int64_t *)field);
        break;
    case OPTIONS_SIZE: /* with a suffix: a bare number may mean another unit */
        buf_puts(to, size_text(*(const int64_t *)field, text));
        break;
    case OPTIONS_REAL:
        buf_printf(to, "%g", *(const double *)field);
        break;
    case OPTIONS_BOOL:
        buf_puts(to, *(const bool *)field ? "true" : "false");
        break;
    case OPTIONS_DNSBL:
        buf_puts(to, ((const struct dnsbl *)field)->text);
        break;
    case OPTIONS_FIELDS:
        buf_puts(to, ((const struct header_names *)field)->text);
        break;
    case OPTIONS_POLICY:
        policy_format(field, to);
        break;
    default:
        buf_puts(to, *(const char *const *)field);
        break;
    }
}

void options_row_describe(const struct options_row *row, struct buf *to)
{
    buf_puts(to, kinds[row->kind].word);
    if (row->kind == OPTIONS_CHOICE)
        buf_printf(to, " %s", row->unit);
    if (row->kind == OPTIONS_POLICY)
        buf_printf(to, ": %s", row->unit[0] == '\0' ? POLICY_WORDS : row->unit);
    if (row->kind == OPTIONS_INT && row->unit[0] != '\0')
        buf_printf(to, " (%s)", row->unit);
    if (kinds[row->kind].look != NULL || row->kind == OPTIONS_ADDRESS)
        buf_printf(to, "%s%s", row->unit[0] == '\0' ? "" : " or ", row->unit);
    if (row->kind == OPTIONS_INT || row->kind == OPTIONS_REAL ||
        row->kind == OPTIONS_SIZE || row->kind == OPTIONS_PORT) {
        buf_puts(to, " ");
        put_range(row, to);
    }
}
