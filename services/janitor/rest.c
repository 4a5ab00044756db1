/* rest.c - between two batches the janitor rests. */
#include "rest.h"

#include "base/clock.h"
#include "task.h"

#include <poll.h>

enum { TIMES = 3, MOST_MS = 2000, SLICE_MS = 50 };

void rest_since(struct task_tools *t, int64_t began_ms)
{
    int64_t now_ms = clock_monotonic_ms(), until_ms;
    int64_t rest_ms = (now_ms - began_ms) * TIMES;

    t->rests++;
    until_ms = now_ms + (rest_ms < MOST_MS ? rest_ms : MOST_MS);
    while (!t->stop && (now_ms = clock_monotonic_ms()) < until_ms)
        poll(NULL, 0, until_ms - now_ms < SLICE_MS ? (int)(until_ms - now_ms) : SLICE_MS);
}
