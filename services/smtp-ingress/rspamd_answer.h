/* rspamd_answer.h - what rspamd says of a message, read from its JSON.
 *
 * This service's door to JSON.  Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>

struct arena;

enum {
    RSPAMD_ANSWER_MAX_BYTES = 256 * 1024,
    RSPAMD_ANSWER_HEADERS_MAX = 100, /* of each list below; more is an error */
    RSPAMD_ANSWER_TEXT_MAX_BYTES = 200,
};

enum rspamd_action {
    RSPAMD_NO_ACTION,
    RSPAMD_GREYLIST,
    RSPAMD_ADD_HEADER, /* also "quarantine" */
    RSPAMD_REWRITE_SUBJECT,
    RSPAMD_SOFT_REJECT,
    RSPAMD_REJECT, /* also "discard" */
    RSPAMD_ACTIONS
};

struct rspamd_answer_field {
    str_t name, value; /* as they came: who puts them in a header looks at them */
    /* To add: where, or -1 for the end; to remove: which of that name, from 1, or 0 for
     * all. */
    long place;
};

struct rspamd_answer {
    enum rspamd_action action;
    double score;
    str_t text; /* what the sender shall be told: printable ASCII; empty: nothing */
    struct rspamd_answer_field *add, *remove;
    size_t add_count, remove_count;
};

/* RC_INVALID: that is no answer of rspamd's.  What is kept is copied into the arena. */
enum rc rspamd_answer_parse(struct arena *a, str_t json,
                            struct rspamd_answer *out) RC_CHECKED;

const char *rspamd_answer_action_name(enum rspamd_action action); /* as rspamd calls it */
