/* append_spool.h - a message on its way from the client into APPEND.
 *
 * Small ones stay in memory, larger ones go to a file without a name, so neither a slow
 * client nor many of them hold much memory.  Thread: one owner at a time.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct append_spool;

enum { APPEND_SPOOL_MEMORY = 64 * 1024 };

/* bytes: that will come. */
struct append_spool *append_spool_new(const char *folder, size_t bytes);
void append_spool_free(struct append_spool **s);

/* At most what was announced.  RC_RETRY: no room on the disk. */
enum rc append_spool_add(struct append_spool *s, str_t piece) RC_CHECKED;
size_t append_spool_left(const struct append_spool *s);
bool append_spool_has_nul(const struct append_spool *s);

/* All of it, once nothing is left; borrowed until append_spool_free. */
enum rc append_spool_bytes(struct append_spool *s, str_t *out) RC_CHECKED;
