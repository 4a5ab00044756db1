/* routes.c - the option `routes`: destinations whose host is set by hand. */
#include "routes.h"

#include "base/arena.h"
#include "base/mem.h"

#include <stddef.h>

struct route {
    str_t domain;
    struct routes_target target;
};

struct routes {
    struct arena *arena;
    size_t count;
    struct route row[ROUTES_MAX];
};

/* "host", "host:port", "[v6]" or "[v6]:port" */
static enum rc parse_target(str_t text, uint16_t default_port, struct routes_target *out)
{
    size_t colon = str_find_char(text, ':');
    uint64_t port = default_port;
    str_t host = text;

    if (str_starts(text, S("["))) {
        size_t close = str_find_char(text, ']');

        if (close == SIZE_MAX)
            return RC_INVALID;
        host = str_n(text.p + 1, close - 1);
        text = str_skip(text, close + 1);
        colon = text.n > 0 ? str_find_char(text, ':') : SIZE_MAX;
        if (text.n > 0 && colon != 0)
            return RC_INVALID;
    } else if (colon != SIZE_MAX) {
        host = str_head(text, colon);
    }
    if (colon != SIZE_MAX && !str_to_u64(str_skip(text, colon + 1), 65535, &port))
        return RC_INVALID;
    if (host.n == 0 || host.n > 253 || port == 0)
        return RC_INVALID;
    *out = (struct routes_target){ .host = host, .port = (uint16_t)port };
    return RC_OK;
}

static enum rc add(struct routes *r, str_t entry, uint16_t default_port)
{
    struct route row;
    str_t domain;
    enum rc rc;

    if (r->count == ROUTES_MAX)
        return RC_LIMIT;
    if (str_find_char(entry, '=') == SIZE_MAX || !str_split(&entry, '=', &domain))
        return RC_INVALID;
    row.domain = arena_str_lower(r->arena, str_trim(domain));
    if (row.domain.n == 0)
        return RC_INVALID;
    rc = parse_target(arena_str(r->arena, str_trim(entry)), default_port, &row.target);
    if (rc == RC_OK)
        r->row[r->count++] = row;
    return rc;
}

enum rc routes_new(str_t text, uint16_t default_port, struct routes **out)
{
    struct routes *r = mem_alloc(sizeof(*r));
    enum rc rc = RC_OK;
    str_t entry;

    r->arena = arena_new();
    while (rc == RC_OK && str_split(&text, ',', &entry)) {
        entry = str_trim(entry);
        if (entry.n > 0)
            rc = add(r, entry, default_port);
    }
    if (rc != RC_OK)
        routes_free(&r);
    *out = r;
    return rc;
}

void routes_free(struct routes **r)
{
    if (*r == NULL)
        return;
    arena_free(&(*r)->arena);
    mem_free(*r);
    *r = NULL;
}

const struct routes_target *routes_find(const struct routes *r, str_t domain)
{
    const struct routes_target *fallback = NULL;

    for (size_t i = 0; r != NULL && i < r->count; i++) {
        if (str_eq_nocase(r->row[i].domain, domain))
            return &r->row[i].target;
        if (str_eq(r->row[i].domain, S("*")))
            fallback = &r->row[i].target;
    }
    return fallback;
}
