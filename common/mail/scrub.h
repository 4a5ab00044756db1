/* scrub.h - the header under which a message is stored: nothing in it says where the
 * sender was, and the way that the message took is forgotten.
 *
 * Pure.  Works on the outer header only.  Chatmail spec 2.7.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct arena;

enum scrub_kind {
    SCRUB_SUBMISSION, /* by an account: also drops client details, hides the Subject */
    SCRUB_INCOMING,   /* from another server */
};

struct scrub_result {
    str_t header; /* in the arena, with the empty line */
    str_t body;   /* borrowed from the message */
};

/* Return-Path (return_path is an address, empty for <>) is put first and replaces any
 * that is there; behind it stands `trace`, whole fields of our own or nothing.  RC_LIMIT
 * or RC_INVALID: see header_check. */
enum rc scrub_compose(struct arena *a, enum scrub_kind kind, str_t return_path,
                      str_t trace, str_t message, struct scrub_result *out) RC_CHECKED;

/* A stored message as another host may see it: without the leading Return-Path field
 * (RFC 5321 4.4). */
str_t scrub_without_return_path(str_t message);
