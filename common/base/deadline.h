/* deadline.h - the moment at which a whole exchange must be over.
 *
 * A deadline is handed down to every wait of an exchange, so that a peer which sends one
 * byte just before each timeout cannot stretch it.  Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    int64_t at_ms; /* monotonic */
};

struct deadline deadline_in_ms(int64_t ms);
int64_t deadline_left_ms(struct deadline d); /* 0 when it has passed */
bool deadline_passed(struct deadline d);
