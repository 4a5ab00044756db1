/* expand.h - who gets the mail for an address: what aliases make of it in the end.
 *
 * First the option's aliases, then the file's, then the table's; in each by the whole
 * address, by an expression, by the name.  What none of them knows is an account, or goes
 * to who gets the rest of its domain.  A target is looked up likewise, but one that is
 * its own target means the account.  At most EXPAND_DEPTH_MAX steps deep and EXPAND_MAX
 * addresses in all; beyond, or where a name leads back to itself, it is a loop.
 * Which alias is a loop is logged.  One statement for each step, however many addresses;
 * none for what is foreign, or known without the database. Thread: the db's.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct alias_book;
struct arena;
struct db;
struct route_rules;

enum { EXPAND_DEPTH_MAX = 10, EXPAND_MAX = 4096 };

struct expand_rules {
    const struct route_rules *route;
    struct alias_book *book; /* NULL: only the table */
};

/* What came of one address. */
struct expand {
    const str_t *targets; /* each once; first those that are accounts or elsewhere */
    size_t reached;       /* so many of them */
    size_t count;         /* with those that nobody has, or may use, any more */
    bool is_alias; /* or else the one target is the address itself, as it was given */
    bool loops;
    bool is_unsure; /* nobody has it, as far as is known without a file that is to come */
    bool leaves;    /* one that is reached is elsewhere */
    bool takes_clear_text; /* all that are reached do */
};

/* out: room for n.  RC_RETRY and the like: the database's. */
enum rc expand_each(struct arena *a, struct db *db, const struct expand_rules *r,
                    const str_t *addresses, size_t n, struct expand *out) RC_CHECKED;

/* The same for a list, and all that its aliases stand for in one.  One that leads
 * nowhere, or to more than there is room for, stays, as a name that nobody has, and is no
 * alias. out: room for n.  RC_NOT_FOUND: there is none among them. */
enum rc expand_list(struct arena *a, struct db *db, const struct expand_rules *r,
                    const str_t *addresses, size_t n, struct expand *out, str_t **list,
                    size_t *count) RC_CHECKED;

/* Is there any alias outside of the database, or may there be? */
bool expand_has_book(const struct expand_rules *r);
