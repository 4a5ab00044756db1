/* destination_guard.h - keeps what strangers make us do away from our own networks.
 *
 * Anybody can publish an MX or a web address that points to 127.0.0.1 or to a machine
 * behind the operator's firewall; connecting there on their behalf is refused.  Judged is
 * the very address that is connected to, so no second DNS answer can differ. Immutable.
 * Thread: any.
 */
#pragma once

#include "net/addr.h"

#include <stdbool.h>

struct destination_guard;

struct destination_guard *destination_guard_new(bool allow_private);
void destination_guard_free(struct destination_guard **g);

bool destination_guard_permits(const struct destination_guard *g, const struct addr *to);
