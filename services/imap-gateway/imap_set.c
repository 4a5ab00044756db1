/* imap_set.c - a set of message numbers or UIDs as the client wrote it. */
#include "imap_set.h"

#include "base/arena.h"

#include <stdlib.h>

static bool number(str_t text, uint32_t star, uint32_t *out)
{
    uint64_t value;

    if (str_eq(text, S("*"))) {
        *out = star;
        return true;
    }
    if (!str_to_u64(text, UINT32_MAX, &value) || value == 0)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool range(str_t text, uint32_t star, struct imap_range *out)
{
    bool two = str_find_char(text, ':') != SIZE_MAX;
    str_t first;

    if (!str_split(&text, ':', &first) || !number(first, star, &out->first))
        return false;
    out->last = out->first;
    if (two && !number(text, star, &out->last))
        return false;
    if (out->first > out->last) {
        uint32_t last = out->last;

        out->last = out->first;
        out->first = last;
    }
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static void merge(struct imap_set *set)
{
    size_t kept = 0;

    qsort(set->ranges, set->count, sizeof set->ranges[0], by_first);
    for (size_t i = 1; i < set->count; i++) {
        struct imap_range *last = &set->ranges[kept];

        if (set->ranges[i].first <= last->last) {
            if (set->ranges[i].last > last->last)
                last->last = set->ranges[i].last;
        } else {
            set->ranges[++kept] = set->ranges[i];
        }
    }
    set->count = kept + 1;
}

enum rc imap_set_parse(struct arena *a, str_t text, uint32_t star, struct imap_set *out)
{
    size_t count = 1;
    str_t piece;

    for (size_t i = 0; i < text.n; i++)
        count += text.p[i] == ',';
    out->ranges = arena_array(a, count, sizeof out->ranges[0]);
    out->count = 0;
    if (text.n == 0 || text.p[text.n - 1] == ',')
        return RC_INVALID;
    while (str_split(&text, ',', &piece)) {
        if (!range(piece, star, &out->ranges[out->count]))
            return RC_INVALID;
        out->count++;
    }
    merge(out);
    return RC_OK;
}

bool imap_set_has(const struct imap_set *set, uint32_t n)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (set->ranges[mid].last < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->count && set->ranges[low].first <= n;
}
