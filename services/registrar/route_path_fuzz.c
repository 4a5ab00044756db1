/* route_path_fuzz.c - a value is text, and leads back to where it came from when it is
 * encoded again. */
#include "route_path.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buf *to, str_t value)
{
    for (size_t i = 0; i < value.n; i++)
        buf_printf(to, "%%%02X", (unsigned char)value.p[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str_t rows[] = { STR("/api/v1/accounts/{address}"), STR("/a/{x}/b/{y}"),
                                  STR("/{x}"), STR("/new") };
    str_t path = str_n((const char *)data, size);
    struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct route_path_params p, again;
        enum route_path_fit fit = route_path_match(a, rows[i], path, &p);
        str_t row = rows[i], name;
        struct buf *back = arena_buf(a, 16 << 20);
        size_t k = 0;

        if (fit != ROUTE_PATH_FITS)
            continue;
        while (str_split(&row, '{', &name)) {
            buf_put(back, name);
            if (row.n == 0)
                break;
            CHECK(k < p.count && p.list[k].value.n > 0);
            CHECK(memchr(p.list[k].value.p, '\0', p.list[k].value.n) == NULL);
            encode(back, p.list[k++].value);
            row = str_skip(row, str_find_char(row, '}') + 1);
        }
        CHECK(k == p.count);
        CHECK(route_path_match(a, rows[i], buf_str(back), &again) == ROUTE_PATH_FITS);
        CHECK(again.count == p.count);
        for (k = 0; k < p.count; k++)
            CHECK(str_eq(p.list[k].value, again.list[k].value));
    }
    arena_free(&a);
    return 0;
}
