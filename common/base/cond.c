/* cond.c - waiting for another thread until a deadline. */
#include "base/cond.h"

#include "base/log.h"

#include <errno.h>
#include <time.h>

void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(c, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

bool cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, struct deadline until)
{
    struct timespec at = { .tv_sec = until.at_ms / 1000,
                           .tv_nsec = until.at_ms % 1000 * 1000000 };
    int e = pthread_cond_timedwait(c, lock, &at);

    CHECK(e == 0 || e == ETIMEDOUT);
    return e == 0;
}
