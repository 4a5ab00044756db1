/* rdns.c - is a client's name its own, in both directions of the DNS? */
#include "mail/rdns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "mail/dns_table.h"

str_t rdns_labels(struct arena *a, const unsigned char *ip, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    struct buf *b = arena_buf(a, RDNS_ADDRESS_BYTES);

    CHECK(n == 4 || n == 16);
    for (size_t i = n; i-- > 0;) {
        if (n == 4)
            buf_printf(b, "%s%u", b->n > 0 ? "." : "", ip[i]);
        else
            buf_printf(b, "%s%c.%c", b->n > 0 ? "." : "", digits[ip[i] & 15],
                       digits[ip[i] >> 4]);
    }
    return buf_str(b);
}

static str_t without_final_dot(str_t name)
{
    return name.n > 0 && name.p[name.n - 1] == '.' ? str_head(name, name.n - 1) : name;
}

static bool has_name(struct arena *a, const struct dns_table_row *row, str_t name)
{
    str_t host;

    for (size_t i = 0; i < row->count && i < RDNS_NAMES_MAX; i++)
        if (dns_table_host(a, DNS_TABLE_PTR, row->records[i], &host) &&
            str_eq_nocase(host, name))
            return true;
    return false;
}

static enum rdns_result confirm(struct dns_table *t, const unsigned char *ip, size_t n,
                                str_t name)
{
    const struct dns_table_row *row =
        dns_table_ask(t, name, n == 4 ? DNS_TABLE_A : DNS_TABLE_AAAA);

    if (row->state == DNS_TABLE_WANTED)
        return RDNS_WAIT;
    if (row->state == DNS_TABLE_FAILED)
        return RDNS_FAILED;
    for (size_t i = 0; i < row->count; i++)
        if (str_eq(row->records[i], str_n((const char *)ip, n)))
            return RDNS_PASS;
    return RDNS_NOT_CONFIRMED;
}

enum rdns_result rdns_check(struct arena *a, struct dns_table *t, const unsigned char *ip,
                            size_t n, str_t hello)
{
    str_t labels = rdns_labels(a, ip, n);
    const char *zone = n == 4 ? "in-addr.arpa" : "ip6.arpa";
    const struct dns_table_row *row = dns_table_ask(
        t, str_of(arena_printf(a, "%.*s.%s", STR_ARG(labels), zone)), DNS_TABLE_PTR);

    hello = without_final_dot(hello);
    if (row->state == DNS_TABLE_WANTED)
        return RDNS_WAIT;
    if (row->state == DNS_TABLE_FAILED)
        return RDNS_FAILED;
    if (row->count == 0)
        return RDNS_NO_NAME;
    return has_name(a, row, hello) ? confirm(t, ip, n, hello) : RDNS_OTHER_NAME;
}
