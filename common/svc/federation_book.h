/* federation_book.h - the federation lists, as a service has them at hand.
 *
 * They are read when the service starts, when somebody changed them
 * (federation_book_wake) and every FEDERATION_BOOK_TTL_MS, by a thread that holds no
 * database connection between. So to ask costs no round trip.  While they cannot be read,
 * the last ones hold. Thread: federation_book_new and _free by one owner; the rest from
 * any.
 */
#pragma once

#include "svc/federation.h"
#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct federation_book;
struct options;

enum { FEDERATION_BOOK_TTL_MS = 60 * 1000 };

/* options and name (the service's) outlive it.  Anything but RC_OK: the lists cannot be
 * read, which is logged; nobody may be let in without them. */
enum rc federation_book_new(const struct options *o, const char *name,
                            struct federation_book **out) RC_CHECKED;
void federation_book_free(struct federation_book **b);

void federation_book_wake(struct federation_book *b); /* read again; NULL: nothing */

/* No mail of that domain, or to it?  A book that is NULL blocks nobody. */
bool federation_book_blocks(struct federation_book *b, str_t domain,
                            enum federation_direction direction);
