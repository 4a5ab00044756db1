/* clocks.h - may this be the day to forget?
 *
 * "Now" is PostgreSQL's.  A database host whose clock has jumped ahead would have every
 * message forgotten at once, so nothing is while it differs from this machine's.
 * Limits: a jump of both clocks, or where one machine has both, cannot be told from time.
 * Thread: the db's.
 */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

struct db;

/* *offset_ms: how far PostgreSQL's clock is ahead.  RC_CONFLICT: too far either way. */
enum rc clocks_agree(struct db *db, int64_t *offset_ms) RC_CHECKED;
