/* spf_fuzz.c - a whole check whose every answer is hostile ends, and in time.
 *
 * Lines: the sender, helo, then an answer for each question.  An answer is F, N or X (it
 * failed, no data, no such name), T and a text, or R and rdata; tabs separate records.
 */
#include "mail/spf.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/dns_table.h"
#include "mail/spf_macro.h"
#include "mail/spf_record.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 64 };

static str_t as_text(struct arena *a, str_t s)
{
    struct buf *b = arena_buf(a, 70000);

    do {
        str_t piece = str_head(s, 255);

        buf_putc(b, (char)piece.n);
        buf_put(b, piece);
        s = str_skip(s, piece.n);
    } while (s.n > 0);
    return buf_str(b);
}

static void answer(struct arena *a, str_t line, struct dns_table_row *row)
{
    str_t *records = arena_array(a, RECORDS_MAX, sizeof(*records)), record;
    char kind = line.n > 0 ? line.p[0] : 'X';

    row->state = kind == 'F'   ? DNS_TABLE_FAILED
                 : kind == 'N' ? DNS_TABLE_NODATA
                 : kind == 'X' ? DNS_TABLE_NXDOMAIN
                               : DNS_TABLE_RECORDS;
    line = str_skip(line, 1);
    row->records = records;
    while (row->state == DNS_TABLE_RECORDS && row->count < RECORDS_MAX &&
           str_split(&line, '\t', &record))
        records[row->count++] = kind == 'T' ? as_text(a, record) : record;
}

static void expand_all(struct arena *a, const struct spf_macro_values *v, str_t text)
{
    struct spf_record_term term;
    struct spf_record r;
    size_t terms = 0;
    str_t out;

    if (spf_record_parse(text, &r) == RC_OK) {
        CHECK(text.n <= SPF_RECORD_MAX_BYTES && spf_record_is(text));
        while (spf_record_next(&r, &term)) {
            CHECK(++terms <= text.n && term.prefix4 <= 32 && term.prefix6 <= 128);
            if (term.domain.n > 0)
                CHECK(spf_macro_domain(a, v, term.domain).n <= DNS_TABLE_NAME_MAX_BYTES);
        }
    }
    if (spf_macro_is_domain_spec(text))
        CHECK(spf_macro_is_string(text) &&
              spf_macro_domain(a, v, text).n <= DNS_TABLE_NAME_MAX_BYTES);
    if (spf_macro_explain(a, v, text, &out) == RC_OK)
        CHECK(out.n <= SPF_MACRO_MAX_BYTES);
}

static void check(struct arena *a, str_t rest)
{
    static const unsigned char ip[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
    struct spf_facts facts = { .ip = ip, .ip_bytes = rest.n % 2 == 0 ? 4 : 16 };
    struct dns_table_row *row = NULL;
    const struct spf_outcome *o;
    struct dns_table t;
    struct spf *s;
    size_t steps = 1;
    str_t line;

    str_split(&rest, '\n', &facts.sender);
    str_split(&rest, '\n', &facts.helo);
    dns_table_init(&t, a);
    s = spf_begin(a, &t, &facts);
    for (; spf_step(s) == SPF_WAIT; steps++) {
        CHECK(dns_table_wanted(&t, NULL) != NULL);
        while ((row = dns_table_wanted(&t, NULL)) != NULL) {
            CHECK(dns_table_is_name(row->name));
            if (!str_split(&rest, '\n', &line))
                line = S("");
            answer(a, line, row);
        }
    }
    CHECK(steps <= SPF_STEPS_MAX && t.count < DNS_TABLE_ROWS_MAX);
    o = spf_outcome(s);
    CHECK(o->explanation.n <= SPF_MACRO_MAX_BYTES && spf_result_name(o->result) != NULL);
    CHECK(o->explanation.n == 0 || o->result == SPF_FAIL);
    for (size_t i = 0; i < o->explanation.n; i++)
        CHECK(o->explanation.p[i] >= ' ' && o->explanation.p[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char ip[4] = { 192, 0, 2, 1 };
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct spf_macro_values v = { .local = str_head(text, 100),
                                  .sender_domain = S("a.example"),
                                  .domain = S("b.a.example"),
                                  .helo = str_skip(text, 50),
                                  .ip = ip,
                                  .ip_bytes = sizeof(ip) };

    expand_all(a, &v, text);
    check(a, text);
    arena_free(&a);
    return 0;
}
