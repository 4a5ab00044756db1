/* fetch_items.h - writes the items of a FETCH answer, one function for each kind.
 *
 * Each appends "NAME value".  Thread: the one that runs the command.
 */
#pragma once

#include "fetch_plan.h"

#define FETCH_ITEM(name, function, need, flags)                                          \
    void function(struct buf *out, const struct fetch_item *item,                        \
                  const struct fetch_subject *subject);
#include "fetch_items.def"
#undef FETCH_ITEM
