/* spool.h - a message while it arrives: in memory, then in a file that has no name.
 *
 * A spool takes a bounded piece of memory; what exceeds it goes to an unlinked file, so
 * that a crash leaves nothing behind.  The sum of all files is bounded as well.
 * Thread: the session's I/O thread writes, a worker reads after spool_finish.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct spool;

struct spool_limits {
    const char *directory;
    size_t memory_bytes;      /* of one spool */
    uint64_t all_files_bytes; /* of all spools of this process */
};

struct spool *spool_new(const struct spool_limits *limits);
void spool_free(struct spool **s);

/* context is a struct spool (fits smtp_data_sink_fn).  Trouble shows in spool_finish. */
void spool_append(void *context, const char *p, size_t n);

/* The whole message, borrowed until spool_free.  RC_RETRY: the disk is full or broken;
 * RC_LIMIT: too many large messages at once.  Nothing may be appended afterwards. */
enum rc spool_finish(struct spool *s, str_t *message) RC_CHECKED;

uint64_t spool_all_files_bytes(void); /* in use now */
