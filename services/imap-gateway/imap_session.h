/* imap_session.h - what a session is to the protocol: who is logged in, what is selected.
 *
 * Owned by the loop between commands and by the worker while a command runs there; it
 * moves with the command, so it needs no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct view;

enum imap_state { /* bits, because a command may be allowed in several */
                  ST_GREETED = 1 << 0,
                  ST_AUTHENTICATED = 1 << 1,
                  ST_SELECTED = 1 << 2,
                  ST_LOGGED_IN = ST_AUTHENTICATED | ST_SELECTED,
                  ST_ANY = ST_GREETED | ST_LOGGED_IN,
};

struct imap_session {
    enum imap_state state;
    bool tls;
    uint8_t bad_count;       /* commands in a row that made no sense */
    uint32_t inbox_validity; /* UIDVALIDITY of INBOX once known: it never changes */
    int64_t account;         /* 0: nobody */
    int64_t own_modseq;      /* of the last change that this session made itself */
    struct view *view;       /* NULL unless selected */
    uint64_t id;             /* in the log */
    uint64_t client_key;     /* for the limit of failed logins, see cidr_client_key */
};
