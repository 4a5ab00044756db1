/* smtp_states.h - in which order the commands of a session may come.
 *
 * Pure.  RFC 5321 4.1.4, RFC 3030 2.  Thread: any.
 */
#pragma once

#include <stdbool.h>

enum smtp_state {
    ST_BAD,     /* no such way: 503 */
    ST_GREETED, /* no EHLO yet, or forgotten at STARTTLS */
    ST_READY,   /* between two messages */
    ST_MAIL,    /* a sender is known */
    ST_RCPT,    /* at least one recipient is */
    ST_DATA,    /* the message is coming */
    ST_CHUNK,   /* a part of it is, of a known size (RFC 3030) */
    ST_CHUNKS,  /* between two of these parts */
    ST_COUNT
};

enum smtp_event {
    EV_NONE, /* allowed everywhere, changes nothing */
    EV_HELLO,
    EV_TLS,
    EV_AUTH,
    EV_MAIL,
    EV_RCPT,
    EV_DATA,
    EV_BDAT,  /* a chunk begins */
    EV_CHUNK, /* and is there, but not the last */
    EV_END,   /* of the message, accepted or not */
    EV_RESET,
    EV_COUNT
};

enum smtp_state smtp_states_next(enum smtp_state state, enum smtp_event event);

/* Has a message begun to come in this state, and not ended? */
static inline bool smtp_states_in_data(enum smtp_state state)
{
    return state >= ST_DATA && state < ST_COUNT;
}

/* Is there a transaction (sender, recipients, message) in this state? */
static inline bool smtp_states_has_mail(enum smtp_state state)
{
    return state >= ST_MAIL && state < ST_COUNT;
}
