/* auth_results_fuzz.c - whatever is printed is one field, ours, and no line too long. */
#include "mail/auth_results.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is the service, the others are reasons and values. */
static size_t read_facts(str_t rest, struct auth_results_fact *facts, size_t max)
{
    size_t count = 0;
    str_t line;

    while (count < max && str_split(&rest, '\n', &line)) {
        struct auth_results_fact *f = &facts[count];

        *f = (struct auth_results_fact){ .method = "spf",
                                         .result = (enum auth_results_word)(
                                             line.n % AUTH_RESULTS_WORDS),
                                         .reason = line };
        for (size_t i = 0; i < AUTH_RESULTS_PROPERTIES_MAX; i++) {
            f->properties[i].name = "smtp.mailfrom";
            if (!str_split(&rest, '\t', &f->properties[i].value))
                f->properties[i].value = line;
        }
        count++;
    }
    return count;
}

/* Nothing of it is replaced or cut. */
static bool is_printed_as_it_is(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~' || str_find_char(S(";()"), s.p[i]) != SIZE_MAX)
            return false;
    return s.n <= AUTH_RESULTS_VALUE_MAX_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size), rest = text, service = S(""), field;
    struct auth_results_fact facts[AUTH_RESULTS_FACTS_MAX + 1];
    struct arena *a = arena_new();
    struct header_field f;
    struct header_iter it;
    str_t line;
    size_t count;

    auth_results_claims(a, text, S("mx.here.example"));
    str_split(&rest, '\n', &service);
    count = read_facts(rest, facts, ARRAY_LEN(facts));
    field = auth_results_format(a, service, facts, count);
    CHECK(field.n <= AUTH_RESULTS_MAX_BYTES && header_check(field) == RC_OK);
    header_init(&it, field);
    CHECK(header_next(&it, &f) && f.whole.n == field.n && !header_next(&it, &f));
    if (is_printed_as_it_is(service))
        CHECK(auth_results_claims(a, f.value, service));
    while (str_split(&field, '\n', &line))
        CHECK(line.n <= 998);
    arena_free(&a);
    return 0;
}
