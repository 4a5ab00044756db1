/* federation.h - with which domains mail is exchanged: the rows of the table, ready to be
 * asked.
 *
 * A pattern is a domain, "far.example"; all below one, however deep, "*.far.example"; or
 * "*".  Of those that fit a domain and are for the direction, the most specific one says
 * what holds: the domain itself, then the longest of those below which it is, then "*".
 * Where none fits, mail is exchanged.
 * Pure.  Thread: any; immutable once made.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "store/store_federation.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct federation;

enum federation_direction {
    FEDERATION_IN = 1 << 0,  /* mail from there */
    FEDERATION_OUT = 1 << 1, /* mail to there */
    FEDERATION_BOTH = FEDERATION_IN | FEDERATION_OUT,
};

/* As it is stored: lower case, A-labels, an IPv4 address in brackets.  RC_INVALID: it is
 * no pattern. */
enum rc federation_pattern(struct arena *a, str_t text, str_t *out) RC_CHECKED;

/* "in", "out", "both"; "block", "allow". */
const char *federation_direction_word(unsigned directions);
const char *federation_verdict_word(bool blocks);
bool federation_parse_direction(str_t word, unsigned *out);
bool federation_parse_verdict(str_t word, bool *blocks);

/* In the arena, with what the rows borrow. */
struct federation *federation_new(struct arena *a,
                                  const struct store_federation_row *rows, size_t n);

/* domain: in any case and form.  Costs the same however many rows there are. */
bool federation_blocks(const struct federation *f, str_t domain,
                       enum federation_direction direction);
