/* verb_account.c - accounts, as the admin API shows them. */
#include "verb.h"

#include "api.h"
#include "base/arena.h"

#include <string.h>

static int show(int argc, char **argv)
{
    const char *address = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "ADDRESS", &address, NULL, NULL },
                                       API_FLAGS(f) };
    struct arena *a;
    int status;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    a = arena_new();
    status =
        api_show(a, &f, "GET",
                 arena_printf(a, "/api/v1/accounts/%s", api_escape(a, str_of(address))));
    arena_free(&a);
    return status;
}

int verb_account(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "show") == 0)
        return show(argc - 1, argv + 1);
    verb_fail("account: show%s%s", argc > 0 ? ", not " : "", argc > 0 ? argv[0] : "");
    return VERB_MISUSED;
}
