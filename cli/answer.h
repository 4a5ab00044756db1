/* answer.h - what the admin API answered, as it may be shown: without controls.
 *
 * The command line's only door to jansson.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct arena;
struct buf;

/* The sentence of an error; false: this is none of our API's. */
bool answer_error(struct arena *a, str_t json, str_t *message);

/* A flat object, a line for each key.  False: it is none. */
bool answer_text(str_t json, struct buf *to);

/* The object on one line of ASCII, for programs.  False: it is none. */
bool answer_json(str_t json, struct buf *to);
