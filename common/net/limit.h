/* limit.h - how much of something may be held, in all and by one holder.  Thread: any. */
#pragma once

#include "base/rc.h"

#include <stddef.h>
#include <stdint.h>

struct limit;

/* 0: without limit. */
struct limit *limit_new(size_t max_total, size_t max_per_key);
void limit_free(struct limit **l);

/* RC_LIMIT when it is full; nothing is held then. */
enum rc limit_take_total(struct limit *l) RC_CHECKED;
void limit_give_total(struct limit *l);
enum rc limit_take_key(struct limit *l, uint64_t key) RC_CHECKED;
void limit_give_key(struct limit *l, uint64_t key);

size_t limit_total(struct limit *l);
