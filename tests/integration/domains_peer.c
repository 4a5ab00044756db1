/* domains_peer.c - our SPF, DMARC and Authentication-Results as a program, to try them
 * against others.
 *
 * Lines of fields with tabs between; first a zone, then the cases.
 *   text NAME TEXT | address NAME ADDRESS | mx NAME HOST | ptr NAME HOST | error NAME
 *   case ADDRESS SENDER HELO AUTHOR SIGNER RESULT      the last two: of a DKIM signature
 * A case has one line of answer: SPF's result, DMARC's, the published policy, the
 * author's organization, and the field with "|" for its line ends.
 */
#include "base/arena.h"
#include "base/public_suffix.h"
#include "mail/auth_results.h"
#include "mail/dmarc.h"
#include "mail/spf.h"
#include "mail/test_zone.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELDS = 7 };

struct question {
    const char *address, *sender, *helo, *author, *signer, *result;
};

static void add(struct test_zone *z, char *f[FIELDS])
{
    if (strcmp(f[0], "text") == 0)
        test_zone_text(z, f[1], f[2]);
    else if (strcmp(f[0], "address") == 0)
        test_zone_address(z, f[1], f[2]);
    else if (strcmp(f[0], "mx") == 0)
        test_zone_host(z, f[1], DNS_TABLE_MX, f[2]);
    else if (strcmp(f[0], "ptr") == 0)
        test_zone_host(z, f[1], DNS_TABLE_PTR, f[2]);
    else
        test_zone_add(z, str_of(f[1]), TEST_ZONE_TIMEOUT, S(""));
}

static const struct spf_outcome *ask_spf(struct test_zone *z, struct dns_table *t,
                                         const struct question *q)
{
    unsigned char ip[16];
    bool v6 = strchr(q->address, ':') != NULL;
    struct spf_facts facts = { .ip = ip,
                               .ip_bytes = v6 ? 16 : 4,
                               .sender = str_of(q->sender),
                               .helo = str_of(q->helo),
                               .receiver = S("receiver.example") };
    struct spf *s;

    CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, q->address, ip) == 1);
    s = spf_begin(t->arena, t, &facts);
    while (spf_step(s) == SPF_WAIT)
        CHECK(test_zone_answer(z, t) > 0);
    return spf_outcome(s);
}

static const struct dmarc_outcome *ask_dmarc(struct test_zone *z, struct dns_table *t,
                                             const struct question *q,
                                             const struct spf_outcome *spf)
{
    struct dmarc_identifier signature = { .domain = str_of(q->signer),
                                          .passed = strcmp(q->result, "pass") == 0 };
    struct dmarc_facts facts = { .author = str_of(q->author),
                                 .spf = { .domain = spf->domain,
                                          .passed = spf->result == SPF_PASS },
                                 .signatures = &signature,
                                 .signature_count = signature.domain.n > 0 };
    struct dmarc *d = dmarc_begin(t->arena, t, &facts);

    while (dmarc_step(d) == DMARC_WAIT)
        CHECK(test_zone_answer(z, t) > 0);
    return dmarc_outcome(d);
}

static enum auth_results_word word(const char *name)
{
    for (int w = 0; w < AUTH_RESULTS_WORDS; w++)
        if (strcmp(auth_results_word_name((enum auth_results_word)w), name) == 0)
            return (enum auth_results_word)w;
    CHECK(false);
    return AUTH_RESULTS_NONE;
}

static void print_field(struct arena *a, const struct question *q,
                        const struct spf_outcome *spf, const struct dmarc_outcome *dmarc)
{
    struct auth_results_fact facts[] = {
        { .method = "dkim",
          .result = word(q->result),
          .properties = { { "header.d", str_of(q->signer) } } },
        { .method = "spf",
          .result = word(spf_result_name(spf->result)),
          .reason = str_of(spf->reason),
          .properties = { { spf->is_helo ? "smtp.helo" : "smtp.mailfrom",
                            spf->domain } } },
        { .method = "dmarc",
          .result = word(dmarc_result_name(dmarc->result)),
          .reason = str_of(dmarc->reason),
          .properties = { { "header.from", str_of(q->author) } } },
    };
    str_t text = auth_results_format(a, S("receiver.example"), facts, ARRAY_LEN(facts));

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r')
            putchar(text.p[i] == '\n' ? '|' : text.p[i]);
    putchar('\n');
}

static void judge(struct test_zone *z, const struct question *q)
{
    struct arena *a = arena_new();
    str_t organization = public_suffix_organization(str_of(q->author));
    const struct dmarc_outcome *dmarc;
    const struct spf_outcome *spf;
    struct dns_table t;

    dns_table_init(&t, a);
    spf = ask_spf(z, &t, q);
    dmarc = ask_dmarc(z, &t, q, spf);
    printf("%s\t%s\t%s\t%.*s\t", spf_result_name(spf->result),
           dmarc_result_name(dmarc->result), dmarc_policy_name(dmarc->published),
           STR_ARG(organization));
    print_field(a, q, spf, dmarc);
    arena_free(&a);
}

int main(void)
{
    struct arena *a = arena_new();
    struct test_zone *z = arena_alloc(a, sizeof(*z));
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    z->arena = a;
    while ((n = getline(&line, &size, stdin)) > 0) {
        char *fields[FIELDS], *rest = line;

        line[n - 1] = '\0';
        for (size_t i = 0; i < FIELDS; i++)
            fields[i] = rest != NULL ? strsep(&rest, "\t") : "";
        if (strcmp(fields[0], "case") == 0)
            judge(z, &(struct question){ fields[1], fields[2], fields[3], fields[4],
                                         fields[5], fields[6] });
        else
            add(z, fields);
    }
    free(line);
    arena_free(&a);
    return 0;
}
