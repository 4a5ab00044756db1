/* smtp_states.c - the table of the session's ways; an empty cell is ST_BAD. */
#include "smtp_states.h"

static const unsigned char next[ST_COUNT][EV_COUNT] = {
    [ST_GREETED] = { [EV_NONE] = ST_GREETED,
                     [EV_HELLO] = ST_READY,
                     [EV_TLS] = ST_GREETED,
                     [EV_RESET] = ST_GREETED },
    [ST_READY] = { [EV_NONE] = ST_READY,
                   [EV_HELLO] = ST_READY,
                   [EV_TLS] = ST_GREETED,
                   [EV_AUTH] = ST_READY,
                   [EV_MAIL] = ST_MAIL,
                   [EV_RESET] = ST_READY },
    [ST_MAIL] = { [EV_NONE] = ST_MAIL,
                  [EV_HELLO] = ST_READY,
                  [EV_RCPT] = ST_RCPT,
                  [EV_RESET] = ST_READY },
    [ST_RCPT] = { [EV_NONE] = ST_RCPT,
                  [EV_HELLO] = ST_READY,
                  [EV_RCPT] = ST_RCPT,
                  [EV_DATA] = ST_DATA,
                  [EV_BDAT] = ST_CHUNK,
                  [EV_CHUNK] = ST_CHUNKS, /* one without octets has no ST_CHUNK */
                  [EV_END] = ST_READY,
                  [EV_RESET] = ST_READY },
    [ST_DATA] = { [EV_END] = ST_READY },
    [ST_CHUNK] = { [EV_CHUNK] = ST_CHUNKS, [EV_END] = ST_READY },
    [ST_CHUNKS] = { [EV_NONE] = ST_CHUNKS,
                    [EV_HELLO] = ST_READY,
                    [EV_BDAT] = ST_CHUNK,
                    [EV_CHUNK] = ST_CHUNKS,
                    [EV_END] = ST_READY,
                    [EV_RESET] = ST_READY },
};

enum smtp_state smtp_states_next(enum smtp_state state, enum smtp_event event)
{
    return next[state][event];
}
