/* scrub.h - the header under which a message is stored: nothing in it says where the
 * sender was, and the way that the message took is forgotten.
 *
 * Pure.  Works on the outer header only.  Chatmail spec 2.7.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct arena;
struct header_names;

enum scrub_kind {
    SCRUB_SUBMISSION, /* by an account: also drops client details, hides the Subject */
    SCRUB_INCOMING,   /* from another server */
    /* The same, for somebody elsewhere: its signatures, and the trace by which hosts find
     * loops (RFC 5321 6.3), stay. */
    SCRUB_FORWARDED,
};

/* What an operator wants besides; all zero: nothing. */
struct scrub_wishes {
    const struct header_names *only; /* fields that stay, and those without which nobody
                                        can read the message; NULL, empty: all do */
    str_t trace;                     /* whole fields of our own, behind Return-Path */
    str_t date, message_id;          /* for a message without; empty: it stays without */
};

struct scrub_result {
    str_t header; /* in the arena, with the empty line */
    str_t body;   /* borrowed from the message */
};

/* Return-Path (return_path is an address, empty for <>) is put first and replaces any
 * that is there.  RC_LIMIT or RC_INVALID: see header_check. */
enum rc scrub_compose(struct arena *a, enum scrub_kind kind,
                      const struct scrub_wishes *wishes, str_t return_path, str_t message,
                      struct scrub_result *out) RC_CHECKED;

/* A stored message as another host may see it: without the leading Return-Path field
 * (RFC 5321 4.4). */
str_t scrub_without_return_path(str_t message);
