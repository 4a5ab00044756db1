/* verb_federation.c - with which domains mail is exchanged, by the admin API. */
#include "verb.h"

#include "api.h"
#include "base/arena.h"

#include <string.h>

static int call(const struct api_flags *f, const char *method, const char *pattern,
                const char *json)
{
    struct arena *a = arena_new();
    const char *path = "/api/v1/federation";
    int status;

    if (pattern != NULL)
        path = arena_printf(a, "%s/%s", path, api_escape(a, str_of(pattern)));
    status = api_show(a, f, method, path, str_of(json));
    arena_free(&a);
    return status;
}

static int list(int argc, char **argv)
{
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { API_FLAGS(f) };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    return call(&f, "GET", NULL, NULL);
}

static int drop(int argc, char **argv)
{
    const char *pattern = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "PATTERN", &pattern, NULL, NULL },
                                       API_FLAGS(f) };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    return call(&f, "DELETE", pattern, NULL);
}

/* Of --in and --out neither, like both, means both. */
static int set(const char *verdict, int argc, char **argv)
{
    const char *pattern = NULL;
    bool in = false, out = false;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "PATTERN", &pattern, NULL, NULL },
                                       { "--in", NULL, &in, NULL },
                                       { "--out", NULL, &out, NULL },
                                       API_FLAGS(f) };
    struct arena *a;
    int status;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    a = arena_new();
    status = call(&f, "PUT", pattern,
                  arena_printf(a, "{\"verdict\":\"%s\",\"direction\":\"%s\"}", verdict,
                               in == out ? "both"
                               : in      ? "in"
                                         : "out"));
    arena_free(&a);
    return status;
}

int verb_federation(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "list") == 0)
        return list(argc - 1, argv + 1);
    if (argc > 0 && (strcmp(argv[0], "block") == 0 || strcmp(argv[0], "allow") == 0))
        return set(argv[0], argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "remove") == 0)
        return drop(argc - 1, argv + 1);
    verb_fail("federation: list, block, allow or remove%s%s", argc > 0 ? ", not " : "",
              argc > 0 ? argv[0] : "");
    return VERB_MISUSED;
}
