/* dnsbl.c - what lists in the DNS say of a client together. */
#include "mail/dnsbl.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/dns_table.h"
#include "mail/rdns.h"

#include <stdio.h>

static const struct {
    const char *word;
    enum dnsbl_look look;
} looks[] = {
    { "ipv4", DNSBL_IPV4 },
    { "ipv6", DNSBL_IPV6 },
    { "ehlo", DNSBL_EHLO },
    { "mailfrom", DNSBL_MAILFROM },
};

static bool parse_look(str_t value, struct dnsbl_list *out)
{
    str_t word;

    out->look = 0;
    while (str_split(&value, '+', &word)) {
        size_t i = 0;

        while (i < ARRAY_LEN(looks) && !str_eq(word, str_of(looks[i].word)))
            i++;
        if (i == ARRAY_LEN(looks))
            return false;
        out->look |= looks[i].look;
    }
    return out->look != 0;
}

static bool parse_score(str_t value, struct dnsbl_list *out)
{
    bool negative = value.n > 0 && value.p[0] == '-';
    uint64_t n;

    if (!str_to_u64(str_skip(value, negative), DNSBL_SCORE_MAX, &n))
        return false;
    out->score = negative ? -(int)n : (int)n;
    return true;
}

static bool parse_ipv4(str_t text, uint32_t *out)
{
    uint64_t n;
    str_t part;
    int parts = 0;

    *out = 0;
    for (; str_split(&text, '.', &part); parts++) {
        if (parts == 4 || part.n > 3 || !str_to_u64(part, 255, &n))
            return false;
        *out = *out << 8 | (uint32_t)n;
    }
    return parts == 4;
}

/* "127.0.0.0/24" or "127.0.0.2" */
static bool parse_network(str_t text, struct dnsbl_network *out)
{
    size_t slash = str_find_char(text, '/');
    uint64_t bits = 32;

    if (slash != SIZE_MAX && !str_to_u64(str_skip(text, slash + 1), 32, &bits))
        return false;
    if (!parse_ipv4(str_head(text, slash), &out->address))
        return false;
    out->mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    return (out->address & ~out->mask) == 0;
}

static bool parse_responses(str_t value, struct dnsbl_list *out)
{
    str_t text;

    out->network_count = 0;
    while (str_split(&value, '+', &text)) {
        if (out->network_count == DNSBL_NETWORKS_MAX ||
            !parse_network(text, &out->networks[out->network_count++]))
            return false;
    }
    return out->network_count > 0;
}

static const struct {
    const char *key;
    bool (*parse)(str_t value, struct dnsbl_list *out);
    const char *why;
} keys[] = {
    { "look", parse_look, "of ipv4, ipv6, ehlo, mailfrom, with + between" },
    { "responses", parse_responses,
      "at most 8 IPv4 networks such as 127.0.0.0/24, with + between" },
    { "score", parse_score, "a whole number from -1000 to 1000" },
};

static const char *parse_pair(str_t word, struct dnsbl_list *out)
{
    size_t at = str_find_char(word, '=');

    for (size_t i = 0; at != SIZE_MAX && i < ARRAY_LEN(keys); i++) {
        if (!str_eq(str_head(word, at), str_of(keys[i].key)))
            continue;
        return keys[i].parse(str_skip(word, at + 1), out) ? NULL : keys[i].why;
    }
    return "look=, responses= or score=";
}

/* The next word of *rest; empty at its end. */
static str_t take_word(str_t *rest)
{
    size_t n = 0;
    str_t word;

    *rest = str_trim(*rest);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != '\r' &&
           rest->p[n] != '\n')
        n++;
    word = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return word;
}

/* An address goes before it, so it may not fill a name. */
static bool is_zone(str_t name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = str_lower_char((unsigned char)name.p[i]);

        if (!(c >= 'a' && c <= 'z') && !str_is_digit(c) && c != '-' && c != '_' &&
            c != '.')
            return false;
    }
    return name.n + RDNS_ADDRESS_BYTES < DNS_TABLE_NAME_MAX_BYTES &&
           dns_table_is_name(name) && name.p[name.n - 1] != '.' &&
           str_find_char(name, '.') != SIZE_MAX;
}

static bool parse_list(str_t text, struct dnsbl_list *out, char *why, size_t room)
{
    const char *wanted = NULL;
    str_t word;

    *out = (struct dnsbl_list){ .zone = take_word(&text),
                                .look = DNSBL_IPV4 | DNSBL_IPV6,
                                .score = 1,
                                .networks = { { 0x7f000000, 0xffffff00 } },
                                .network_count = 1 };
    if (!is_zone(out->zone)) {
        snprintf(why, room, "%.*s: not a zone such as zen.example",
                 (int)(out->zone.n < 100 ? out->zone.n : 100), out->zone.p);
        return false;
    }
    while (wanted == NULL && (word = take_word(&text)).n > 0)
        wanted = parse_pair(word, out);
    if (wanted != NULL)
        snprintf(why, room, "%.*s: %.*s: must be %s", STR_ARG(out->zone),
                 (int)(word.n < 100 ? word.n : 100), word.p, wanted);
    return wanted == NULL;
}

enum rc dnsbl_parse(struct arena *a, str_t text, struct dnsbl *out, char *why,
                    size_t room)
{
    struct dnsbl_list *lists = arena_array(a, DNSBL_LISTS_MAX, sizeof(*lists));
    str_t rest, one;

    *out = (struct dnsbl){ .text = "" };
    if (str_find_char(text, '\0') != SIZE_MAX || text.n > DNSBL_TEXT_MAX) {
        snprintf(why, room, "longer than %d bytes, or with a NUL byte", DNSBL_TEXT_MAX);
        return RC_INVALID;
    }
    text = arena_str(a, str_trim(text));
    rest = text;
    while (text.n > 0 && str_split(&rest, ',', &one)) {
        if (out->count == DNSBL_LISTS_MAX) {
            snprintf(why, room, "more than %d lists", DNSBL_LISTS_MAX);
            return RC_INVALID;
        }
        if (!parse_list(one, &lists[out->count], why, room))
            return RC_INVALID;
        out->count++;
    }
    out->lists = lists;
    out->text = arena_cstr(a, text);
    return RC_OK;
}

static bool means_listed(const struct dnsbl_list *l, str_t rdata)
{
    const unsigned char *p = (const unsigned char *)rdata.p;
    uint32_t address;

    if (rdata.n != 4)
        return false;
    address = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (size_t i = 0; i < l->network_count; i++)
        if ((address & l->networks[i].mask) == l->networks[i].address)
            return true;
    return false;
}

/* Of what stands before the zone; nothing is asked for an empty one. */
static bool is_listed(struct arena *a, struct dns_table *t, const struct dnsbl_list *l,
                      str_t what, struct dnsbl_outcome *out)
{
    const struct dns_table_row *row;

    if (what.n == 0)
        return false;
    if (what.p[what.n - 1] == '.')
        what.n--;
    row = dns_table_ask(
        t, str_of(arena_printf(a, "%.*s.%.*s", STR_ARG(what), STR_ARG(l->zone))),
        DNS_TABLE_A);
    out->wait |= row->state == DNS_TABLE_WANTED;
    out->failed |= row->state == DNS_TABLE_FAILED;
    for (size_t i = 0; i < row->count; i++)
        if (means_listed(l, row->records[i]))
            return true;
    return false;
}

struct dnsbl_outcome dnsbl_check(struct arena *a, struct dns_table *t,
                                 const struct dnsbl *d, const struct dnsbl_client *c)
{
    unsigned family = c->ip_bytes == 4 ? DNSBL_IPV4 : DNSBL_IPV6;
    str_t labels = c->ip == NULL ? S("") : rdns_labels(a, c->ip, c->ip_bytes);
    struct dnsbl_outcome out = { .score = 0 };

    for (size_t i = 0; i < d->count; i++) {
        const struct dnsbl_list *l = &d->lists[i];
        bool by_ip = (l->look & family) != 0 && is_listed(a, t, l, labels, &out),
             by_name = (l->look & DNSBL_EHLO) != 0 && is_listed(a, t, l, c->hello, &out),
             by_domain =
                 (l->look & DNSBL_MAILFROM) != 0 && is_listed(a, t, l, c->domain, &out);

        if (!by_ip && !by_name && !by_domain)
            continue;
        out.lists++;
        out.score += l->score;
        if (out.zone.n == 0 && l->score > 0)
            out.zone = l->zone;
    }
    return out;
}
