/* routes.c - the option `routes`: whose mail leaves by another way than its MX records.
 */
#include "svc/routes.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/address.h"
#include "net/addr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WRONG_BYTES = 100 }; /* of what is wrong, as much is shown */

struct routes_row {
    str_t domain, target;
};

struct reading {
    struct arena *arena;
    char *why;
    size_t room;
};

static const char *const schemes[] = {
#define TRANSPORT(name, scheme) scheme,
#include "svc/transports.def"
#undef TRANSPORT
};

__attribute__((format(printf, 3, 4))) static enum rc
refuse(const struct reading *r, str_t what, const char *format, ...)
{
    int n =
        snprintf(r->why, r->room,
                 "%.*s: ", (int)(what.n < WRONG_BYTES ? what.n : WRONG_BYTES), what.p);
    va_list args;

    va_start(args, format);
    if (n > 0 && (size_t)n < r->room)
        vsnprintf(r->why + n, r->room - (size_t)n, format, args);
    va_end(args);
    return RC_INVALID;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static bool next_row(str_t *rest, str_t *row)
{
    size_t n = 0;

    while (rest->n > 0 && is_between(rest->p[0]))
        *rest = str_skip(*rest, 1);
    while (n < rest->n && !is_between(rest->p[n]))
        n++;
    *row = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

static bool is_scheme(str_t text)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (text.n > 0 && str_eq_nocase(text, str_of(schemes[i])))
            return true;
    return false;
}

static const char *known_schemes(struct arena *a)
{
    struct buf *b = arena_buf(a, 200);

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (schemes[i][0] != '\0')
            buf_printf(b, "%s%s", b->n > 0 ? ", " : "", schemes[i]);
    buf_putc(b, '\0');
    return b->p;
}

static str_t without_brackets(str_t host)
{
    bool has = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    return has ? str_n(host.p + 1, host.n - 2) : host;
}

/* "host:port"; the host may be an IPv6 address in brackets. */
static bool split_port(str_t text, str_t *host, uint16_t *port)
{
    size_t colon = text.n;
    uint64_t number;

    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !str_to_u64(str_skip(text, colon), UINT16_MAX, &number) ||
        number == 0)
        return false;
    *host = without_brackets(str_head(text, colon - 1));
    *port = (uint16_t)number;
    return host->n > 0;
}

bool routes_target_parse(str_t target, struct routes_target *out)
{
    size_t n = str_find(target, S("://"));

    if (n == SIZE_MAX || n == 0)
        return false;
    out->scheme = str_head(target, n);
    return split_port(str_skip(target, n + 3), &out->host, &out->port);
}

/* One spelling for each, as rows with the same target share their connections. */
static enum rc parse_way(const struct reading *r, str_t row, str_t way, str_t *out)
{
    str_t scheme = S("smtp"), rest = way, host;
    char address[ADDR_TEXT_BYTES];
    size_t n = str_find(way, S("://"));
    struct addr literal;
    uint16_t port;

    if (n != SIZE_MAX) {
        scheme = str_head(way, n);
        rest = str_skip(way, n + 3);
    }
    if (!is_scheme(scheme))
        return refuse(r, row, "there is no transport %.*s; known are: %s",
                      (int)(scheme.n < 20 ? scheme.n : 20), scheme.p,
                      known_schemes(r->arena));
    /* What may be a password is not shown. */
    if (str_find_char(rest, '/') != SIZE_MAX || str_find_char(rest, '@') != SIZE_MAX)
        return refuse(r, str_head(row, row.n - way.n),
                      "no user, password or path belongs there; write "
                      "domain=smtp://host:port");
    if (!split_port(rest, &host, &port))
        return refuse(r, row,
                      "it has no port from 1 to 65535; write "
                      "domain=smtp://host:port");
    if (addr_parse(host, &literal) == RC_OK)
        host = str_of(arena_printf(r->arena, literal.family == 6 ? "[%s]" : "%s",
                                   addr_text(&literal, address)));
    else if (!address_is_domain(host, 0))
        return refuse(r, row, "its host is neither a host name nor an address");
    *out = str_of(arena_printf(r->arena, "%.*s://%.*s:%u",
                               STR_ARG(arena_str_lower(r->arena, scheme)),
                               STR_ARG(arena_str_lower(r->arena, host)), (unsigned)port));
    return RC_OK;
}

static enum rc parse_row(const struct reading *r, str_t text, struct routes_row *out)
{
    size_t n = str_find_char(text, '=');
    str_t domain, way;

    if (n == SIZE_MAX || n == 0)
        return refuse(r, text,
                      "not domain=smtp://host:port; the domain * means all that "
                      "have no route of their own");
    domain = str_head(text, n);
    way = str_skip(text, n + 1);
    if (!str_eq(domain, S("*")) && !address_is_domain(domain, ADDRESS_UTF8) &&
        !address_is_ip_literal(domain))
        return refuse(r, text, "before = belongs a domain, or * for all others");
    *out = (struct routes_row){ .domain = arena_str_lower(r->arena, domain) };
    return str_eq_nocase(way, S("mx")) ? RC_OK : parse_way(r, text, way, &out->target);
}

static const struct routes_row *find(const struct routes *r, str_t domain)
{
    for (size_t i = 0; i < r->count; i++)
        if (str_eq_nocase(r->row[i].domain, domain))
            return &r->row[i];
    return NULL;
}

enum rc routes_parse(struct arena *a, str_t text, struct routes *out, char *why,
                     size_t room)
{
    struct reading r = { .arena = a, .why = why, .room = room };
    struct routes_row *rows = arena_array(a, text.n / 4 + 1, sizeof(*rows));
    const struct routes_row *other;
    str_t row;
    enum rc rc = RC_OK;

    *out = (struct routes){ .row = rows };
    while (rc == RC_OK && next_row(&text, &row)) {
        rc = parse_row(&r, row, &rows[out->count]);
        if (rc == RC_OK && find(out, rows[out->count].domain) != NULL)
            rc = refuse(&r, row, "the domain has two routes; keep one of them");
        out->count += rc == RC_OK;
    }
    other = find(out, S("*"));
    out->rest = other != NULL ? other->target : S("");
    return rc;
}

str_t routes_find(const struct routes *r, str_t domain)
{
    const struct routes_row *row = find(r, domain);

    return row != NULL ? row->target : r->rest;
}
