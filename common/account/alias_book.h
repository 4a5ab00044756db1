/* alias_book.h - the aliases that an operator wrote down: those of the option, and those
 * of a file that is read again when it was changed.
 *
 * A file that cannot be read, or has a line that says nothing, is complained of, and what
 * was read last stays in force.  A change is taken up within ALIAS_BOOK_LOOK_MS, and not
 * before the file has been as it is for as long, so that nobody reads half of it.
 * Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct aliases;
struct domains;

enum { ALIAS_BOOK_LOOK_MS = 1000 };

struct alias_book;

/* file: "": there is none.  One that is missing is waited for; RC_INVALID: another cannot
 * be read, or has a bad line; it is logged. */
enum rc alias_book_new(const struct domains *d, str_t option, const char *file,
                       struct alias_book **out) RC_CHECKED;
void alias_book_free(struct alias_book **b);

/* What is in force, until it is given back; NULL in it: nothing. */
struct alias_book_view {
    const struct aliases *of_option, *of_file;
    bool waits; /* there is to be a file, and it was never there yet */
    void *held; /* alias_book.c's */
};
void alias_book_take(struct alias_book *b, struct alias_book_view *out);
void alias_book_give_back(struct alias_book *b, struct alias_book_view *view);
