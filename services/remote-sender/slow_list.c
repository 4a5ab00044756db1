/* slow_list.c - destinations that could not be reached lately. */
#include "slow_list.h"

#include <stdio.h>

/* Index of the domain's entry, or SLOW_LIST_MAX. */
static size_t find(const struct slow_list *l, str_t domain)
{
    size_t i = 0;

    while (i < SLOW_LIST_MAX &&
           (l->entry[i].until_ms == 0 || !str_eq(str_of(l->entry[i].domain), domain)))
        i++;
    return i;
}

static size_t oldest(const struct slow_list *l)
{
    size_t found = 0;

    for (size_t i = 1; i < SLOW_LIST_MAX; i++)
        if (l->entry[i].until_ms < l->entry[found].until_ms)
            found = i;
    return found;
}

void slow_list_add(struct slow_list *l, str_t domain, int64_t now_ms)
{
    size_t i = find(l, domain);

    if (i == SLOW_LIST_MAX)
        i = oldest(l);
    snprintf(l->entry[i].domain, sizeof(l->entry[i].domain), "%.*s",
             (int)(domain.n < 255 ? domain.n : 255), domain.p);
    l->entry[i].until_ms = now_ms + SLOW_LIST_MS;
}

void slow_list_remove(struct slow_list *l, str_t domain)
{
    size_t i = find(l, domain);

    if (i < SLOW_LIST_MAX)
        l->entry[i].until_ms = 0;
}

bool slow_list_has(const struct slow_list *l, str_t domain, int64_t now_ms)
{
    size_t i = find(l, domain);

    return i < SLOW_LIST_MAX && l->entry[i].until_ms > now_ms;
}

size_t slow_list_all(const struct slow_list *l, int64_t now_ms, str_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < SLOW_LIST_MAX; i++)
        if (l->entry[i].until_ms > now_ms)
            out[n++] = str_of(l->entry[i].domain);
    return n;
}
