/* policy.h - what follows when a check finds something wrong, in an operator's words.
 *
 *   off          it is not even looked at
 *   ignore       it is looked at and noted, and nothing follows
 *   quarantine   the message is taken, into Junk
 *   reject [code [enhanced code] [text]]   it is refused, with the check's own words or
 *                these
 *
 * The words of a switch mean the same as ever: false is off, true is reject.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct arena;
struct buf;

enum policy_action {
    POLICY_OFF,
    POLICY_IGNORE,
    POLICY_QUARANTINE,
    POLICY_REJECT,
    POLICY_ACTIONS
};

#define POLICY_WORDS "off ignore quarantine reject"

enum {
    POLICY_TEXT_MAX = 200,
    /* Replies that refuse a message; 421 would end the connection. */
    POLICY_CODE_MIN = 450,
    POLICY_CODE_MAX = 599,
};

struct policy {
    enum policy_action action;
    int code;             /* 0: the check's own */
    const char *enhanced; /* of the class of the code; NULL: the check's own */
    const char *text;     /* printable ASCII; NULL: the check's own */
};

/* Words that need memory are copied into the arena.  RC_INVALID: *why says what is wrong.
 */
enum rc policy_parse(struct arena *a, str_t text, struct policy *out,
                     const char **why) RC_CHECKED;
void policy_format(const struct policy *p, struct buf *to);

const char *policy_action_name(enum policy_action action);

/* The reply by which a policy refuses what a check would refuse with code, enhanced (may
 * be NULL) and text; its own code takes the enhanced code into its class (RFC 2034 4). */
struct policy policy_reply(struct arena *a, const struct policy *p, int code,
                           const char *enhanced, const char *text);
