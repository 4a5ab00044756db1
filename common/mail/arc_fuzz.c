/* arc_fuzz.c - a chain that is found has as many seals as it says. */
#include "mail/arc.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t message = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct arc arc = arc_read(a, message);
    bool whole = arc.state == ARC_PASS || arc.state == ARC_FAIL;

    CHECK(whole == (arc.sets > 0) && arc.sets <= ARC_SETS_MAX);
    if (whole)
        CHECK(header_count(message, S("ARC-Seal")) == arc.sets);
    if (arc.state == ARC_NONE)
        CHECK(header_count(message, S("ARC-Seal")) == 0);
    arena_free(&a);
    return 0;
}
