/* limit.h - how many connections may be open, in all and for one client network.
 *
 * Shared by the listeners of one port in all loops.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "net/addr.h"

#include <stddef.h>

struct limit;

/* 0: without limit. */
struct limit *limit_new(size_t max_total, size_t max_per_network);
void limit_free(struct limit **l);

/* RC_LIMIT when it is full; nothing is held then. */
enum rc limit_take_total(struct limit *l) RC_CHECKED;
void limit_give_total(struct limit *l);
enum rc limit_take_network(struct limit *l, const struct addr *client) RC_CHECKED;
void limit_give_network(struct limit *l, const struct addr *client);

size_t limit_total(struct limit *l);
