/* rate.h - how often an account may send: GCRA, one time stamp for each account.
 *
 * In memory only and bounded: an account that the full table has to forget starts with a
 * fresh burst (chatmail spec 2.4, step 3).
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate;

struct rate *rate_new(int64_t per_minute, int64_t burst, size_t accounts);
void rate_free(struct rate **r);

/* Count one message.  False: too many; nothing is counted then, and *retry_ms says when
 * the next would be let through. */
bool rate_take(struct rate *r, int64_t account, int64_t now_us, int64_t *retry_ms);
