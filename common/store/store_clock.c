/* store_clock.c - one number: how far PostgreSQL's clock is from the monotonic one. */
#include "store/store_clock.h"

#include "base/clock.h"

#include <stdatomic.h>

static _Atomic int64_t ahead_ms; /* of the monotonic clock; 0: not known */
static atomic_bool agreed;       /* once, since the start */

void store_clock_measured(int64_t offset_ms, bool agree)
{
    if (agree)
        atomic_store(&agreed, true);
    else if (atomic_load(&agreed))
        return;
    else if (offset_ms < 0)
        offset_ms = 0;
    atomic_store(&ahead_ms, clock_unix_ms() + offset_ms - clock_monotonic_ms());
}

int64_t store_clock_unix_ms(void)
{
    int64_t ahead = atomic_load(&ahead_ms);

    return ahead == 0 ? clock_unix_ms() : clock_monotonic_ms() + ahead;
}
