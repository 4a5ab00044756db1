/* aliases_fuzz.c - an aliases file of any content, and what it makes of addresses. */
#include "account/aliases.h"

#include "account/route.h"
#include "base/arena.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/domains.h"

static const struct domains chat = DOMAINS_ONE("c.org");

/* The same rows for senders. */
static void try_senders(struct arena *a, str_t text)
{
    static const struct route_rules route = { .domains = &chat, .delimiters = STR("+") };
    static const struct aliases_senders rules = { &route, { STR("ann@c.org") } };
    static const str_t senders[] = { STR("ann@b.org"), STR("\"a b@\"@b.org") };
    char why[ALIASES_WHY_BYTES];
    struct aliases *l;
    size_t line;

    if (aliases_parse_senders(&rules, text, &l, &line, why) != RC_OK) {
        CHECK(why[0] != '\0' && line <= text.n + 1);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
        str_t key = aliases_sender_form(a, senders[i]);
        const str_t *to;

        CHECK(aliases_find(l, a, key, &to) <= 1);
        CHECK(aliases_find_rest(l, a, key, &to) <= 1);
    }
    aliases_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str_t addresses[] = { STR("ann@c.org"), STR("aaaaaaaaaaaaaaaab@c.org"),
                                       STR("\"a b\"@c.org"), STR("nobody") };
    struct arena *a = arena_new();
    char why[ALIASES_WHY_BYTES];
    struct aliases *l;
    size_t line;

    if (aliases_parse(&chat, str_n((const char *)data, size), '\n', &l, &line, why) ==
        RC_OK) {
        for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
            struct address parsed;
            const str_t *to;
            size_t n = aliases_find(l, a, addresses[i], &to);

            for (size_t k = 0; k < n && str_find_char(addresses[i], '@') != SIZE_MAX; k++)
                CHECK(address_parse(to[k], ADDRESS_UTF8 | ADDRESS_FULL, &parsed) ==
                      RC_OK);
            (void)aliases_find_rest(l, a, addresses[i], &to);
        }
        CHECK(aliases_count(l) <= size);
    } else {
        CHECK(why[0] != '\0' && line <= size + 1);
    }
    aliases_free(&l);
    try_senders(a, str_n((const char *)data, size));
    arena_free(&a);
    return 0;
}
