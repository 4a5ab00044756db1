/* clock.c - the clocks, and what is left until a deadline. */
#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_unix_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_unix(void)
{
    return clock_unix_ms() / 1000;
}

struct deadline deadline_in_ms(int64_t ms)
{
    return (struct deadline){ clock_monotonic_ms() + ms };
}

int64_t deadline_left_ms(struct deadline d)
{
    int64_t left = d.at_ms - clock_monotonic_ms();

    return left > 0 ? left : 0;
}

bool deadline_passed(struct deadline d)
{
    return deadline_left_ms(d) == 0;
}
