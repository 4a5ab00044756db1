/* address_list_fuzz.c - any field gives a bounded list of what stands in it. */
#include "mail/address_list.h"

#include "base/arena.h"
#include "base/log.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct address_item *items;
    size_t n = address_list_parse(a, text, &items), groups = 0;

    CHECK(n <= size + 2);
    for (size_t i = 0; i < n; i++) {
        /* More than its own characters only for the blanks between words. */
        CHECK(items[i].mailbox.n + items[i].host.n + items[i].name.n <= 2 * size + 2);
        groups += items[i].kind == ADDRESS_GROUP_START;
        CHECK(items[i].kind != ADDRESS_GROUP_END || groups > 0);
    }
    arena_free(&a);
    return 0;
}
