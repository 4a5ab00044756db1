/* imap_set.h - a set of message numbers or UIDs as the client wrote it: "1:4,9,20:*".
 *
 * Pure.  As many ranges as stand in the text, which is a command's.  RFC 9051
 * sequence-set.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct imap_range {
    uint32_t first; /* first <= last */
    uint32_t last;
};

struct imap_set {
    struct imap_range *ranges; /* ascending, not overlapping */
    size_t count;
};

/* star is the number that "*" stands for: the highest in use, 0 when there is none
 * (then "*" and ranges that reach to it still name their other end). */
enum rc imap_set_parse(struct arena *a, str_t text, uint32_t star,
                       struct imap_set *out) RC_CHECKED;
bool imap_set_has(const struct imap_set *set, uint32_t number);
