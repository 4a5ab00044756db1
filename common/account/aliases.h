/* aliases.h - names that stand for other addresses, as an operator writes them down.
 *
 *     # what follows is a comment
 *     info: ann@chat.example, bob
 *     sales@two.example: carl@far.example
 *     @two.example: ann@chat.example
 *     /team-([a-z]+)@chat\.example/: $1@chat.example
 *
 * Before the colon stands a name (in any of our domains), a whole address, a domain of
 * ours behind an @ (for names that nobody has) or a regular expression (base/pattern.h),
 * which must fit a whole address.  Behind it stand addresses, or names, which keep the
 * domain; $1 to $9 are what the groups of the expression fitted.  A line that begins with
 * a blank goes on with the one before. Thread: any; immutable once parsed.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct domains;
struct route_rules;

enum {
    ALIASES_MAX_BYTES = 16 * 1024 * 1024,
    ALIASES_LINES_MAX = 200000,
    ALIASES_TARGETS_MAX = 1000, /* of one name */
    ALIASES_EXPRESSIONS_MAX = 100,
    ALIASES_WHY_BYTES = 200,
};

struct aliases;

/* separator: what ends a line, '\n' or, within an option, ';'.  RC_INVALID: why says what
 * is wrong, *line where, from 1. */
enum rc aliases_parse(const struct domains *d, str_t text, char separator,
                      struct aliases **out, size_t *line,
                      char why[ALIASES_WHY_BYTES]) RC_CHECKED;

/* Other addresses for senders that are none of ours: the same rows, but before the colon
 * stand addresses, domains and names of others, and behind it stands one target. */
struct aliases_senders {
    const struct route_rules *route;
    str_t own[2]; /* addresses of ours that may be a target, with a tag, too; or empty */
};

/* An option of such rows; line is the row, from 1.  Look for a sender in the form that
 * aliases_sender_form gives it. */
enum rc aliases_parse_senders(const struct aliases_senders *s, str_t text,
                              struct aliases **out, size_t *line,
                              char why[ALIASES_WHY_BYTES]) RC_CHECKED;
/* Lower case, without needless quotes, the domain as A-labels. */
str_t aliases_sender_form(struct arena *a, str_t address);
/* May it stand for a sender? */
bool aliases_is_sender(const struct aliases_senders *s, struct arena *a, str_t address);

void aliases_free(struct aliases **a);

/* The strings are in a.  What an address of ours (as in struct route) stands for: by the
 * whole address, by an expression, by its name.  Returns how many; 0: it is no alias. */
size_t aliases_find(const struct aliases *l, struct arena *a, str_t address,
                    const str_t **out);
/* Who gets what is for names in a domain of ours that nobody has. */
size_t aliases_find_rest(const struct aliases *l, struct arena *a, str_t address,
                         const str_t **out);

size_t aliases_count(const struct aliases *l);

/* One line's parts, for those who keep it elsewhere: a key in the form in which it is
 * looked for (no expression), and a target.  RC_INVALID: why says what is wrong. */
enum rc aliases_key(const struct domains *d, struct arena *a, str_t text, str_t *out,
                    char why[ALIASES_WHY_BYTES]) RC_CHECKED;
enum rc aliases_target(struct arena *a, str_t text, str_t *out,
                       char why[ALIASES_WHY_BYTES]) RC_CHECKED;

/* A copy; a target without a domain gets that of the address. */
str_t aliases_complete(struct arena *a, str_t target, str_t address);
