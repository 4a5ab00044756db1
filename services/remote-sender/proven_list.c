/* proven_list.c - domains that took mail within the last day. */
#include "proven_list.h"

#include <stdio.h>

/* Index of the domain's entry, or PROVEN_LIST_MAX. */
static size_t find(const struct proven_list *l, str_t domain)
{
    size_t i = 0;

    while (i < PROVEN_LIST_MAX &&
           (l->entry[i].until_ms == 0 || !str_eq(str_of(l->entry[i].domain), domain)))
        i++;
    return i;
}

static size_t oldest(const struct proven_list *l)
{
    size_t found = 0;

    for (size_t i = 1; i < PROVEN_LIST_MAX; i++)
        if (l->entry[i].until_ms < l->entry[found].until_ms)
            found = i;
    return found;
}

void proven_list_add(struct proven_list *l, str_t domain, int64_t now_ms)
{
    size_t i = find(l, domain);

    if (i == PROVEN_LIST_MAX)
        i = oldest(l);
    snprintf(l->entry[i].domain, sizeof(l->entry[i].domain), "%.*s",
             (int)(domain.n < 255 ? domain.n : 255), domain.p);
    l->entry[i].until_ms = now_ms + PROVEN_LIST_MS;
}

void proven_list_remove(struct proven_list *l, str_t domain)
{
    size_t i = find(l, domain);

    if (i < PROVEN_LIST_MAX)
        l->entry[i].until_ms = 0;
}

bool proven_list_has(const struct proven_list *l, str_t domain, int64_t now_ms)
{
    size_t i = find(l, domain);

    return i < PROVEN_LIST_MAX && l->entry[i].until_ms > now_ms;
}
