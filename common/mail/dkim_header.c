/* dkim_header.c - from the bottom up, each field once.
 *
 * The fields are sorted by name: a list of hundreds of names against thousands of fields,
 * for each of several signatures, would be a stranger's way to keep a thread busy.
 */
#include "mail/dkim_header.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdlib.h>

static int compare_names(str_t a, str_t b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        int order =
            str_lower_char((unsigned char)a.p[i]) - str_lower_char((unsigned char)b.p[i]);

        if (order != 0)
            return order;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static int compare_fields(const void *a, const void *b)
{
    const struct header_field *x = *(const struct header_field *const *)a;
    const struct header_field *y = *(const struct header_field *const *)b;
    int order = compare_names(x->name, y->name);

    return order != 0 ? order : (x > y) - (x < y);
}

void dkim_header_init(struct arena *a, str_t header, struct dkim_header *out)
{
    struct header_field field;
    struct header_iter it;

    out->count = 0;
    header_init(&it, header);
    while (header_next(&it, &field))
        out->count++;
    out->fields = arena_array(a, out->count, sizeof(*out->fields));
    out->by_name = arena_array(a, out->count, sizeof(*out->by_name));
    header_init(&it, header);
    for (size_t i = 0; i < out->count; i++) {
        CHECK(header_next(&it, &out->fields[i]));
        out->by_name[i] = &out->fields[i];
    }
    if (out->count > 0)
        qsort(out->by_name, out->count, sizeof(*out->by_name), compare_fields);
}

/* The last one of that name that is not taken; h->count: none. */
static size_t find_last(const struct dkim_header *h, str_t name, const bool *taken)
{
    size_t low = 0, high = h->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_names(h->by_name[middle]->name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && str_eq_nocase(h->by_name[low - 1]->name, name); low--) {
        if (!taken[low - 1])
            return low - 1;
    }
    return h->count;
}

void dkim_header_hash(struct arena *a, const struct dkim_header *h,
                      const struct dkim_header_signed *what,
                      unsigned char out[CRYPTO_SHA256_BYTES])
{
    bool *taken = arena_array(a, h->count + 1, sizeof(*taken));
    struct buf *text = arena_buf(a, 2 * (HEADER_MAX_BYTES + HEADER_MAX_FIELDS));

    for (size_t i = 0; i < h->count; i++)
        taken[i] = h->by_name[i]->whole.p == what->own_place;
    for (size_t i = 0; i < what->name_count; i++) {
        size_t at = find_last(h, what->names[i], taken);

        if (at == h->count)
            continue;
        taken[at] = true;
        dkim_canon_field(text, what->canon, h->by_name[at]);
    }
    dkim_canon_field(text, what->canon, &what->own);
    CHECK(!text->full);
    /* RFC 6376 3.7: the signature's own field is without its CRLF. */
    crypto_sha256(str_head(buf_str(text), text->n - 2), out);
}
