/* clock.h - time for waits (monotonic) and time for people (wall clock).
 *
 * What several hosts compare (due times, leases, expiry) uses PostgreSQL's clock, not
 * this one.  Thread: any.
 */
#pragma once

#include "base/deadline.h"

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_unix_ms(void);
int64_t clock_unix(void); /* [s] */
