/* imap_status.h - the items of STATUS.  */
#pragma once

#include "imap_parser.h"

#include "base/str.h"

struct arena;
struct buf;
struct store_mailbox_counts;

/* "(MESSAGES UIDNEXT)", its blank before it read already. */
bool imap_status_items(struct imap_parser *in, unsigned *items);
void imap_status_line(struct buf *out, struct arena *a, str_t name, unsigned items,
                      const struct store_mailbox_counts *counts);
