/* session_private.h - the inside of a session, for session.c and session_read.c only.
 *
 * session.c has a session's life, its timers and its looks at the mailbox; session_read.c
 * turns bytes into commands.
 *
 * A session is in one mode at a time.  MODE_COMMAND reads commands; MODE_IDLE waits for
 * DONE; MODE_SASL reads an answer to "+"; MODE_APPEND and MODE_APPEND_END read a message
 * and the end of its line; MODE_SKIP passes over the rest of a command that was refused;
 * MODE_DELAYED holds back the answer to a failed login; MODE_HANDSHAKE waits for STARTTLS
 * to be done.
 * Thread: the loop's.
 */
#pragma once

#include "command_job.h"
#include "imap_command.h"
#include "imap_framer.h"
#include "session.h"

#include <stdbool.h>
#include <stdint.h>

struct io;
struct options;

enum {
    GREETED_BYTES = 40 * 1024, /* all that a stranger may say: RFC 2971's longest ID */
    GREETED_LITERAL = 4 * 1024,
    GREETED_COMMANDS = 50,
    GREETED_MS = 60 * 1000,
    COMMAND_BYTES = 64 * 1024, /* one command with its literals */
    LOGIN_FAILURES = 5,
    BAD_COMMANDS = 20,
    APPEND_STALL_MS = 60 * 1000,
    BUSY_MS = 60 * 1000, /* look again later: a command is in a worker */
    TAG_MAX = 64,
    HINTS_KEPT = COMMAND_JOB_AHEAD,
    MS_PER_SECOND = 1000,
};

enum mode {
    MODE_COMMAND,
    MODE_IDLE,
    MODE_SASL,
    MODE_APPEND,
    MODE_APPEND_END,
    MODE_SKIP,
    MODE_DELAYED,
    MODE_HANDSHAKE,
};

struct session {
    struct session_links links;
    struct conn *conn; /* NULL: the client is gone, a command is still away */
    struct io *io;
    struct imap_session imap;
    struct imap_framer framer;
    struct command_job *command; /* away, or waiting for the output to drain */
    struct command_job *gather;  /* being put together: SASL, APPEND, a delayed answer */
    char *tag;                   /* of IDLE */
    uint64_t skip_left; /* [bytes] of a refused command that are passed over at most */
    int64_t greeted_until_ms;
    int64_t subscribed_ms; /* when somebody's login asked for the hints about it */
    struct {
        int64_t mailbox, modseq, body;
        uint32_t size;
    } hint[HINTS_KEPT];
    uint16_t greeted_bytes;
    uint8_t greeted_commands;
    uint8_t failures;
    uint8_t mode;  /* enum mode */
    uint8_t hints; /* since the last look; beyond HINTS_KEPT they are not kept */
    bool joined;   /* in the account's list */
    bool fresh;    /* not yet polled since the subscription took effect */
    bool leftover; /* the last look could not tell everything */
    bool waits;    /* `command` is not away, it waits for on_drain */
    bool draining, eof;
};

const struct options *session_options(const struct session *s);
bool session_is_logged_in(const struct session *s);
void session_begin_command(struct session *s);
void session_set_timeout(struct session *s); /* as the mode wants it */
void session_bye(struct session *s, const char *text);
void session_leave_idle(struct session *s);

/* Is there a hint that the client was not told of? */
bool session_has_news(struct session *s);
/* Send a command away; it comes back as the session's next turn.  False: the pool is
 * full, the command is still the caller's. */
bool session_submit(struct session *s, struct command_job *c);
/* What follows from a command's result.  tag: only for CMD_IDLE. */
void session_apply(struct session *s, enum cmd_result result, str_t tag);
/* A command on the loop itself. */
struct imap_cmd session_inline_cmd(struct session *s, struct imap_cursor *cursor);

/* Use what lies in the conn's input, one step of it; false: more must come first. */
bool session_read_step(struct session *s);
