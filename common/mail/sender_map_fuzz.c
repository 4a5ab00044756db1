/* sender_map_fuzz.c - any file: it is read or refused, and who has no line is not let in.
 */
#include "mail/sender_map.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct sender_map m;
    char why[300];

    if (sender_map_parse(a, text, &m, why, sizeof(why)) == RC_OK &&
        str_find_char(text, '*') == SIZE_MAX)
        CHECK(!sender_map_allows(&m, S("nobody@nowhere.invalid"), S("x@y.example")) ||
              str_find_nocase(text, S("nobody@nowhere.invalid")) != SIZE_MAX);
    arena_free(&a);
    return 0;
}
