/* limit.h - how many of something may be held, in all and by one holder: connections by
 * a client network, say.
 *
 * Shared by the listeners of one port in all loops.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "net/addr.h"

#include <stdbool.h>
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

/* The same for addr_network_key(client). */
enum rc limit_take_network(struct limit *l, const struct addr *client) RC_CHECKED;
void limit_give_network(struct limit *l, const struct addr *client);

size_t limit_total(struct limit *l);
/* More than four fifths are held; l may be NULL. */
bool limit_is_nearly_full(struct limit *l);
