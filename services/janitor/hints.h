/* hints.h - after a commit: tell the gateways which mailboxes lost messages, so that an
 * open IDLE hears of it.  Thread: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bus;
struct store_expire_hint;

/* Returns the number of messages that were removed in all. */
int64_t hints_send(struct bus *bus, const struct store_expire_hint *h, size_t n);
