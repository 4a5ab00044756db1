/* dns_table_fuzz.c - no question is asked that is no name, and no rdata reads past its
 * end.
 *
 * Lines: names to ask for, as types in turn; then all of it as rdata.
 */
#include "mail/dns_table.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct dns_table *t, str_t name, int type)
{
    struct dns_table_row *row = dns_table_ask(t, name, type);
    size_t count = t->count;

    CHECK(row != NULL && count <= DNS_TABLE_ROWS_MAX);
    if (!dns_table_is_name(name))
        CHECK(row->state == DNS_TABLE_NXDOMAIN);
    if (row->name.n == 0)
        return;
    CHECK(row->state == DNS_TABLE_WANTED && dns_table_is_name(row->name));
    CHECK(dns_table_ask(t, name, type) == row && t->count == count);
}

static void read_rdata(struct arena *a, str_t rdata)
{
    str_t out;

    if (dns_table_text(a, rdata, &out))
        CHECK(out.n < rdata.n);
    for (int type = DNS_TABLE_PTR; type <= DNS_TABLE_MX;
         type += DNS_TABLE_MX - DNS_TABLE_PTR)
        if (dns_table_host(a, type, rdata, &out))
            CHECK(out.n == 0 || dns_table_is_name(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int types[] = { DNS_TABLE_A, DNS_TABLE_PTR, DNS_TABLE_MX, DNS_TABLE_TXT,
                                 DNS_TABLE_AAAA };
    str_t rest = str_n((const char *)data, size), line;
    struct dns_table_row *row = NULL;
    struct arena *a = arena_new();
    struct dns_table t;
    size_t wanted = 0;

    read_rdata(a, rest);
    dns_table_init(&t, a);
    for (size_t i = 0; str_split(&rest, '\n', &line); i++)
        ask(&t, line, types[i % ARRAY_LEN(types)]);
    while ((row = dns_table_wanted(&t, row)) != NULL)
        wanted++;
    CHECK(wanted == t.count);
    arena_free(&a);
    return 0;
}
