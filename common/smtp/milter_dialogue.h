/* milter_dialogue.h - what is said to a milter about one message, and what it wants.
 *
 * The whole message is there before the first word, so the steps follow each other as
 * fast as the milter answers.  What it wants is kept, in order; who asked decides about
 * it (services/smtp-ingress/check_milter.c).
 * Pure.  The message is borrowed until the end; what is kept is in the arena.  Thread:
 * one at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/rc.h"
#include "base/str.h"
#include "mail/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum {
    MILTER_DIALOGUE_WISHES_MAX = 1000,
    MILTER_DIALOGUE_WISH_BYTES_MAX = 1024 * 1024, /* of all; but for the body */
    MILTER_DIALOGUE_TEXT_MAX_BYTES = 200,
};

struct milter_macro {
    char before; /* the command: C, H, M, R, T, E */
    const char *name;
    str_t value; /* empty: is left out */
};

struct milter_message {
    str_t client_name; /* "mx.example", or "[192.0.2.1]" */
    str_t client_address;
    char client_family; /* '4', '6', 'U': unknown */
    uint16_t client_port;
    str_t hello;
    str_t sender;
    const str_t *recipients;
    size_t recipient_count;
    const struct milter_macro *macros;
    size_t macro_count;
    str_t first;   /* a whole header field that is told before all others; or empty */
    str_t message; /* of which header_check said RC_OK */
    size_t body_max_bytes;
};

enum milter_verdict {
    MILTER_PASSES,
    MILTER_REJECTS,
    MILTER_FAILS, /* it cannot judge this time: 451, or as the policy says */
    MILTER_DISCARDS,
    MILTER_REPLIES, /* refuses, by a reply of its own */
};

enum milter_wish_kind {
    MILTER_WISH_ADD,    /* name, value: at the end */
    MILTER_WISH_INSERT, /* index, name, value */
    MILTER_WISH_CHANGE, /* index of that name from 1, name, value; empty: it goes */
    MILTER_WISH_RECIPIENT,
    MILTER_WISH_NO_RECIPIENT,
    MILTER_WISH_SENDER,
    MILTER_WISH_QUARANTINE, /* value: why */
};

struct milter_wish {
    enum milter_wish_kind kind;
    uint32_t index;
    str_t name;
    str_t value; /* an address without its < > */
    struct milter_wish *next;
};

struct milter_dialogue {
    /* When it is over: */
    enum milter_verdict verdict;
    int code; /* REPLIES: 400 to 599 */
    const char *enhanced;
    str_t text; /* printable */
    struct milter_wish *wishes;
    bool has_body;
    struct buf body; /* the heap's */
    /* milter_dialogue.c's: */
    struct arena *arena;
    const struct milter_message *about;
    struct milter_wish **last_wish;
    size_t wish_count, wish_bytes;
    int step;
    bool awaits;
    uint32_t steps;
    size_t recipient, body_at;
    struct header_iter header;
    bool first_told;
};

void milter_dialogue_init(struct milter_dialogue *d, struct arena *a,
                          const struct milter_message *about);
void milter_dialogue_fini(struct milter_dialogue *d);

enum milter_turn {
    MILTER_SPEAK,  /* send what was appended, then come back */
    MILTER_LISTEN, /* send it, then a packet of the milter's has to come */
    MILTER_OVER,   /* send it, and close */
};

/* Appends what is to be said next, at most about 128 KiB, after a start or an answer. */
enum milter_turn milter_dialogue_speak(struct milter_dialogue *d, struct buf *out);

/* An answer.  RC_INVALID: it is none, or not now; RC_LIMIT: it wants too much. */
enum rc milter_dialogue_hear(struct milter_dialogue *d, char command,
                             str_t data) RC_CHECKED;
