/* milters.c - where milters listen. */
#include "svc/milters.h"

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { SOCKET_PATH_MAX_BYTES = 107 };

static enum rc parse_unix(struct arena *a, str_t path, struct milters_address *out,
                          const char **why)
{
    *why = "unix: needs a whole path of at most 107 bytes";
    if (path.n == 0 || path.p[0] != '/' || path.n > SOCKET_PATH_MAX_BYTES)
        return RC_INVALID;
    out->path = arena_cstr(a, path);
    return RC_OK;
}

static enum rc parse_inet(struct arena *a, str_t text, struct milters_address *out,
                          const char **why)
{
    size_t colon = SIZE_MAX;
    uint64_t port;
    str_t host;

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ':')
            colon = i;
    *why = "inet: needs host:port";
    if (colon == SIZE_MAX || colon == 0 || colon > 255 ||
        !str_to_u64(str_skip(text, colon + 1), 65535, &port) || port == 0)
        return RC_INVALID;
    host = str_head(text, colon);
    if (host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_n(host.p + 1, host.n - 2);
    else if (str_find_char(host, ':') != SIZE_MAX)
        return RC_INVALID;
    if (host.n == 0)
        return RC_INVALID;
    out->host = arena_cstr(a, host);
    out->port = arena_cstr(a, str_skip(text, colon + 1));
    return RC_OK;
}

static str_t take_word(str_t *rest)
{
    size_t n = 0;
    str_t word;

    while (n < rest->n && rest->p[n] != ',' && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    word = str_head(*rest, n);
    *rest = str_skip(*rest, n + 1);
    return word;
}

enum rc milters_parse(struct arena *a, str_t text, struct milters *out, const char **why)
{
    *out = (struct milters){ .count = 0 };
    while (text.n > 0) {
        str_t word = take_word(&text);
        struct milters_address *m = &out->all[out->count];
        enum rc rc = RC_INVALID;

        if (word.n == 0)
            continue;
        *why = "at most 8 milters";
        if (out->count == MILTERS_MAX)
            return RC_INVALID;
        m->text = arena_cstr(a, word);
        *why = "a milter is inet:host:port or unix:/path";
        if (str_starts(word, S("unix:")))
            rc = parse_unix(a, str_skip(word, 5), m, why);
        else if (str_starts(word, S("inet:")))
            rc = parse_inet(a, str_skip(word, 5), m, why);
        if (rc != RC_OK)
            return rc;
        out->count++;
    }
    return RC_OK;
}
