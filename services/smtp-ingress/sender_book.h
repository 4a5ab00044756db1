/* sender_book.h - the file that says which account may send as whom, read again when it
 * has changed.
 *
 * A file that is malformed or gone leaves the last good one in force, which the log says.
 * Its time is looked at once a second at most.  Thread: any that may wait for a disk.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct sender_book;

struct sender_book *sender_book_new(const char *path);
void sender_book_free(struct sender_book **b);

/* RC_RETRY: no good file was there so far. */
enum rc sender_book_allows(struct sender_book *b, str_t account, str_t sender,
                           bool *out) RC_CHECKED;
