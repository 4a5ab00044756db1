/* deadline.c - what is left until a deadline. */
#include "base/deadline.h"

#include "base/clock.h"

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
