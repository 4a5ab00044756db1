/* clock.h - time for waits (monotonic) and time for people (wall clock), and deadlines.
 *
 * What several hosts compare (due times, leases, expiry) uses PostgreSQL's clock, not
 * this one.  Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_unix_ms(void);
int64_t clock_unix(void); /* [s] */

struct deadline {
    int64_t at_ms; /* monotonic */
};

struct deadline deadline_in_ms(int64_t ms);
int64_t deadline_left_ms(struct deadline d); /* 0 when it has passed */
bool deadline_passed(struct deadline d);
