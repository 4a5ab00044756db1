/* replicas.h - the addresses at which another service can be had at this moment.
 *
 * Kept by the thread of bus/peers.h.  Thread: any; one lock inside.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "net/addr.h"

#include <stdbool.h>
#include <stddef.h>

struct replicas;

/* text: "dns:NAME:PORT" or "static:…" (bus/peers.h), and was found to be one. */
struct replicas *replicas_new(str_t text);
void replicas_free(struct replicas **r);

/* A walk over all of them, which begins one further each time. */
struct replicas_walk {
    size_t first, gone;
};

void replicas_begin(struct replicas *r, struct replicas_walk *walk);
bool replicas_next(struct replicas *r, struct replicas_walk *walk, struct addr *out);
