/* proven_list.h - domains that took mail within the last day.
 *
 * Whoever is not among them may hold only a share of the threads: names cost a stranger
 * nothing, so a new one says nothing about its host.  Bounded: the oldest entry is
 * forgotten for a new one.
 * Thread: one at a time.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROVEN_LIST_MAX = 4096, PROVEN_LIST_MS = 24 * 60 * 60 * 1000 };

struct proven_list {
    struct {
        char domain[256];
        int64_t until_ms; /* monotonic; 0: free */
    } entry[PROVEN_LIST_MAX];
};

void proven_list_add(struct proven_list *l, str_t domain, int64_t now_ms);
void proven_list_remove(struct proven_list *l, str_t domain);
bool proven_list_has(const struct proven_list *l, str_t domain, int64_t now_ms);
