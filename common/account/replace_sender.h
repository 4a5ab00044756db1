/* replace_sender.h - other addresses in the place of senders, as an operator wants them.
 *
 * Rows as of aliases.h: first by the whole address, then by an expression, by the name,
 * by the domain.  Only who is none of ours gets another address, which is elsewhere or
 * one of two accounts, so that nothing looks as if an account had sent it.
 * Thread: any; immutable once made.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>

struct aliases_senders;
struct arena;
struct replace_sender;

enum { REPLACE_SENDER_WHY_BYTES = 256 };

/* What s points to must stay.  RC_INVALID: why says what is wrong in which row. */
enum rc replace_sender_new(const struct aliases_senders *s, str_t option,
                           struct replace_sender **out,
                           char why[REPLACE_SENDER_WHY_BYTES]) RC_CHECKED;
void replace_sender_free(struct replace_sender **r);

/* What stands for a sender (an address, or empty), in a; otherwise: there is nothing, or
 * only what may not stand for one, which is logged. */
str_t replace_sender_with(const struct replace_sender *r, struct arena *a, str_t sender,
                          str_t otherwise);
