/* slow_list.h - destinations that could not be reached lately.
 *
 * They may hold only a share of the threads, so that a thousand dead domains do not keep
 * mail from the living.  Bounded: the oldest entry is forgotten for a new one.
 * Thread: one owner.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOW_LIST_MAX = 1024, SLOW_LIST_MS = 15 * 60 * 1000 };

struct slow_list {
    struct {
        char domain[256];
        int64_t until_ms; /* monotonic; 0: free */
    } entry[SLOW_LIST_MAX];
};

void slow_list_add(struct slow_list *l, str_t domain, int64_t now_ms);
void slow_list_remove(struct slow_list *l, str_t domain);
bool slow_list_has(const struct slow_list *l, str_t domain, int64_t now_ms);
/* All of them, borrowed; out has room for SLOW_LIST_MAX. */
size_t slow_list_all(const struct slow_list *l, int64_t now_ms, str_t *out);
