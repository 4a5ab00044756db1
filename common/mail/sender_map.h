/* sender_map.h - which account may send as whom, as an operator writes it.
 *
 *   # a comment
 *   alice@chat.example: alice@chat.example
 *   bob@chat.example: chat.example, shop.example
 *   *: *
 *
 * Before the colon an account, or * for those that have no line of their own; behind it
 * addresses, domains, or * for any, with commas or blanks between.  An account with
 * several lines has all of them.
 *
 * Limits: SENDER_MAP_TEXT_MAX bytes, SENDER_MAP_ROWS_MAX accounts and senders in all.
 * Pure; immutable once parsed.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { SENDER_MAP_TEXT_MAX = 4 << 20, SENDER_MAP_ROWS_MAX = 200000 };

struct sender_map {
    struct sender_map_row *rows; /* by account */
    size_t count;
};

/* Copies.  RC_INVALID: why says what is wrong in which line. */
enum rc sender_map_parse(struct arena *a, str_t text, struct sender_map *out, char *why,
                         size_t room) RC_CHECKED;

/* In any case of letters.  False also for an account without a line where there is no *.
 */
bool sender_map_allows(const struct sender_map *m, str_t account, str_t sender);
