/* dnsbl_fuzz.c - what a client calls itself, what lists and reverse zones answer, and
 * lists as text.
 *
 * Lines: the lists, the greeting, the sender's domain; then one answer each: its first
 * byte is the state, what follows the rdata. */
#include "mail/dnsbl.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/dns_table.h"
#include "mail/rdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct arena *a, struct dns_table *t, str_t *rest)
{
    struct dns_table_row *row;

    while ((row = dns_table_wanted(t, NULL)) != NULL) {
        str_t line, *rdata = arena_alloc(a, sizeof(*rdata));

        CHECK(dns_table_is_name(row->name));
        if (!str_split(rest, '\n', &line) || line.n == 0) {
            row->state = DNS_TABLE_NODATA;
            continue;
        }
        row->state = (enum dns_table_state)(1 + (unsigned char)line.p[0] % 4);
        *rdata = str_skip(line, 1);
        row->records = rdata;
        row->count = row->state == DNS_TABLE_RECORDS;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char ip[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
    str_t rest = str_n((const char *)data, size), lists = S("");
    struct dnsbl_client c = { .ip = ip, .ip_bytes = size % 2 == 0 ? 4 : 16 };
    struct arena *a = arena_new();
    struct dnsbl_outcome o;
    struct dns_table t;
    struct dnsbl d;
    char why[300];

    dns_table_init(&t, a);
    str_split(&rest, '\n', &lists);
    str_split(&rest, '\n', &c.hello);
    str_split(&rest, '\n', &c.domain);
    if (dnsbl_parse(a, lists, &d, why, sizeof(why)) == RC_OK) {
        CHECK(d.count <= DNSBL_LISTS_MAX);
        o = dnsbl_check(a, &t, &d, &c);
        CHECK(o.wait == (t.count > 0) && t.count <= 3 * DNSBL_LISTS_MAX);
        answer(a, &t, &rest);
        o = dnsbl_check(a, &t, &d, &c);
        CHECK(!o.wait && o.lists <= d.count &&
              o.score <= DNSBL_LISTS_MAX * DNSBL_SCORE_MAX &&
              o.score >= -DNSBL_LISTS_MAX * DNSBL_SCORE_MAX);
    }
    for (int steps = 0; rdns_check(a, &t, ip, c.ip_bytes, c.hello) == RDNS_WAIT;
         steps++) {
        CHECK(steps < 2);
        answer(a, &t, &rest);
    }
    arena_free(&a);
    return 0;
}
