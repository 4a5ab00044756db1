/* body_cache.h - small messages that were read a moment ago.
 *
 * A client asks twice for what it is told of, first for some header fields and then for
 * all of it, and a group's members all ask for the same body.  Bodies are immutable, so a
 * copy is never wrong; one that has expired meanwhile is asked for by nobody, because the
 * mailbox rows go first.
 * Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct body_cache;

enum { BODY_CACHE_ENTRY_MAX = 64 * 1024 }; /* [bytes] larger ones are not kept */

void body_cache_register_metrics(void); /* once in a process */

struct body_cache *body_cache_new(size_t max_bytes); /* 0: keeps nothing */
void body_cache_free(struct body_cache **c);

bool body_cache_has(struct body_cache *c, int64_t body_id);
/* The whole message, copied into a; p == NULL: not here. */
str_t body_cache_get(struct body_cache *c, struct arena *a, int64_t body_id);
void body_cache_put(struct body_cache *c, int64_t body_id, str_t message);
