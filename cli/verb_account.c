/* verb_account.c - accounts, as the admin API shows and changes them. */
#include "verb.h"

#include "api.h"
#include "base/arena.h"

#include <string.h>

static int call(const struct api_flags *f, const char *method, const char *address,
                str_t json)
{
    struct arena *a = arena_new();
    int status = api_show(
        a, f, method,
        arena_printf(a, "/api/v1/accounts/%s", api_escape(a, str_of(address))), json);

    arena_free(&a);
    return status;
}

static int show(int argc, char **argv)
{
    const char *address = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "ADDRESS", &address, NULL, NULL },
                                       API_FLAGS(f) };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    return call(&f, "GET", address, S(""));
}

static int encrypted_only(int argc, char **argv)
{
    const char *address = NULL, *word = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "ADDRESS", &address, NULL, NULL },
                                       { "on|off", &word, NULL, NULL },
                                       API_FLAGS(f) };
    bool on;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    on = strcmp(word, "on") == 0;
    if (!on && strcmp(word, "off") != 0) {
        verb_fail("account encrypted-only: on or off, not %s", word);
        return VERB_MISUSED;
    }
    return call(&f, "PATCH", address,
                on ? S("{\"encrypted_only\":true}") : S("{\"encrypted_only\":false}"));
}

int verb_account(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "show") == 0)
        return show(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "encrypted-only") == 0)
        return encrypted_only(argc - 1, argv + 1);
    verb_fail("account: show or encrypted-only%s%s", argc > 0 ? ", not " : "",
              argc > 0 ? argv[0] : "");
    return VERB_MISUSED;
}
