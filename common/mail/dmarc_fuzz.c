/* dmarc_fuzz.c - no record and no answer leads to a policy that nobody published.
 *
 * Lines: the author's domain, that of SPF, then a record for each question.
 */
#include "mail/dmarc.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/public_suffix.h"
#include "mail/dns_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(str_t text)
{
    struct dmarc_record r;

    if (dmarc_record_parse(text, &r) == RC_OK)
        CHECK(dmarc_record_is(text) && r.percent <= 100 &&
              r.policy <= DMARC_POLICY_REJECT &&
              r.subdomain_policy <= DMARC_POLICY_REJECT);
}

static void answer(struct arena *a, str_t text, struct dns_table_row *row)
{
    struct buf *b = arena_buf(a, 256);
    str_t *record = arena_alloc(a, sizeof(*record));

    text = str_head(text, 255);
    buf_putc(b, (char)text.n);
    buf_put(b, text);
    *record = buf_str(b);
    row->records = record;
    row->count = text.n > 0;
    row->state = text.n > 0 ? DNS_TABLE_RECORDS : DNS_TABLE_NXDOMAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t rest = str_n((const char *)data, size), line, organization;
    struct dmarc_facts facts = { .spf.passed = size % 3 != 0,
                                 .random = (unsigned)(size % 100) };
    struct arena *a = arena_new();
    const struct dmarc_outcome *o;
    struct dns_table_row *row;
    struct dns_table t;
    struct dmarc *d;
    size_t steps = 1;

    parse(rest);
    str_split(&rest, '\n', &facts.author);
    str_split(&rest, '\n', &facts.spf.domain);
    organization = public_suffix_organization(facts.author);
    CHECK(organization.n <= facts.author.n &&
          str_ends_nocase(facts.author, organization));
    dns_table_init(&t, a);
    d = dmarc_begin(a, &t, &facts);
    for (; dmarc_step(d) == DMARC_WAIT; steps++) {
        row = dns_table_wanted(&t, NULL);
        CHECK(row != NULL);
        if (!str_split(&rest, '\n', &line))
            line = S("");
        answer(a, line, row);
    }
    o = dmarc_outcome(d);
    CHECK(steps <= 3 && o->policy <= o->published);
    CHECK(o->policy == DMARC_POLICY_NONE || o->result == DMARC_FAIL);
    CHECK(o->domain.n > 0 || o->published == DMARC_POLICY_NONE);
    arena_free(&a);
    return 0;
}
