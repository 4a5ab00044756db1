/* backoff.c - how long to wait before the next try of something that failed. */
#include "work/backoff.h"

int64_t backoff_ms(const struct backoff *b, int failures, uint64_t random)
{
    int64_t mean = b->min_ms > 1 ? b->min_ms : 1;
    int64_t max = b->max_ms > mean ? b->max_ms : mean;
    int64_t half;

    for (int i = 1; i < failures && mean < max; i++)
        mean = mean > max / 2 ? max : mean * 2;
    half = mean / 2;
    return mean - half / 2 + (half > 0 ? (int64_t)(random % (uint64_t)(half + 1)) : 0);
}
