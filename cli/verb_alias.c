/* verb_alias.c - names that stand for others, in the table, by the admin API. */
#include "verb.h"

#include "api.h"
#include "base/arena.h"
#include "base/buf.h"

#include <string.h>

enum { BODY_MAX_BYTES = 300 * 1024 };

static int call(struct arena *a, const struct api_flags *f, const char *method,
                const char *name, str_t json)
{
    int status = api_show(
        a, f, method,
        name == NULL ? "/api/v1/aliases"
                     : arena_printf(a, "/api/v1/aliases/%s", api_escape(a, str_of(name))),
        json);

    arena_free(&a);
    return status;
}

static int list(int argc, char **argv)
{
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { API_FLAGS(f) };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    return call(arena_new(), &f, "GET", NULL, S(""));
}

static int drop(int argc, char **argv)
{
    const char *name = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "NAME", &name, NULL, NULL }, API_FLAGS(f) };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    return call(arena_new(), &f, "DELETE", name, S(""));
}

/* What is no address is the server's to refuse. */
static void put_quoted(struct buf *b, str_t text)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_putc(b, '\\');
        buf_putc(b, text.p[i]);
    }
    buf_putc(b, '"');
}

static str_t targets_json(struct arena *a, str_t targets)
{
    struct buf *b = arena_buf(a, BODY_MAX_BYTES);
    str_t one;

    buf_puts(b, "{\"targets\":[");
    for (size_t n = 0; str_split(&targets, ',', &one);) {
        one = str_trim(one);
        if (one.n == 0)
            continue;
        buf_puts(b, n++ > 0 ? "," : "");
        put_quoted(b, one);
    }
    buf_puts(b, "]}");
    return buf_str(b);
}

static int set(int argc, char **argv)
{
    const char *name = NULL, *targets = NULL;
    struct api_flags f = { 0 };
    const struct verb_flag flags[] = { { "NAME", &name, NULL, NULL },
                                       { "TARGET,...", &targets, NULL, NULL },
                                       API_FLAGS(f) };
    struct arena *a;

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    a = arena_new();
    return call(a, &f, "PUT", name, targets_json(a, str_of(targets)));
}

int verb_alias(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "list") == 0)
        return list(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "set") == 0)
        return set(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "remove") == 0)
        return drop(argc - 1, argv + 1);
    verb_fail("alias: list, set or remove%s%s", argc > 0 ? ", not " : "",
              argc > 0 ? argv[0] : "");
    return VERB_MISUSED;
}
