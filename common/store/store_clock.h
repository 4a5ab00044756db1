/* store_clock.h - the time by PostgreSQL's clock, without asking it for each message.
 *
 * A body's id carries when it arrived, and PostgreSQL's clock decides when that is long
 * ago; so ids are made by that clock and not by this machine's, which may be wrong.
 * Between two measurements the monotonic clock goes on, so that neither of the others can
 * jump under us.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* PostgreSQL's clock is offset_ms ahead of this machine's.  agree: so little that both
 * must be right.  While they do not, one of them is wrong and nobody knows which: then
 * the time goes on as it was when they did; if they never did, it is the later of both,
 * by which mail may be kept for too long but is not forgotten too early. */
void store_clock_measured(int64_t offset_ms, bool agree);

int64_t store_clock_unix_ms(void); /* before any measurement: this machine's */
