/* spool.h - a message while it arrives, in memory.
 *
 * Small ones hold what they need, which the number of connections bounds; larger ones
 * share a room, of which one owner (a client network, an account) gets a part.  Not a
 * file: writing one would stop all sessions of the loop while the disk is busy, and
 * reading it back through a mapping kills the process when the disk is broken.
 *
 * Thread: the session's I/O thread writes, a worker reads after spool_finish.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct limit;
struct spool;

enum { SPOOL_CHUNK_BYTES = 256 * 1024 };

struct spool_room {
    size_t small_bytes;   /* a message up to this is not counted */
    struct limit *chunks; /* of SPOOL_CHUNK_BYTES, in all and for one owner */
};

/* Chunks for memory_bytes in all; one owner gets a third.  The largest message always
 * fits.  Free it by limit_free after the last spool. */
struct limit *spool_chunks_new(int64_t memory_bytes, int64_t message_bytes);

/* owner 0: nobody's part, only the room counts. */
struct spool *spool_new(const struct spool_room *room, uint64_t owner);
void spool_free(struct spool **s);

/* context is a struct spool (fits smtp_data_sink_fn).  Trouble shows in spool_finish. */
void spool_append(void *context, const char *p, size_t n);

/* What has come so far, borrowed until the next piece; empty after trouble. */
str_t spool_so_far(const struct spool *s);

/* The whole message, borrowed until spool_free.  RC_LIMIT: too many large messages at
 * once, of all or of this owner; RC_RETRY: the system has no memory.  Nothing may be
 * appended afterwards. */
enum rc spool_finish(struct spool *s, str_t *message) RC_CHECKED;

void spool_register_metrics(void);
