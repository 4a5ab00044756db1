/* cond.h - waiting for another thread until a deadline.
 *
 * A condition of pthreads goes by the wall clock unless told otherwise; these go by the
 * clock of our deadlines, so that a step of the wall clock moves no wait.
 * Thread: any.
 */
#pragma once

#include "base/deadline.h"

#include <pthread.h>
#include <stdbool.h>

void cond_init(pthread_cond_t *c); /* pthread_cond_destroy ends it */

/* With the lock.  False: the deadline has passed.  True says only that it may be worth to
 * look again, as pthread_cond_wait does. */
bool cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, struct deadline until);
