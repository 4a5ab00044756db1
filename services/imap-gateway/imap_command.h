/* imap_command.h - the table of commands, and one command on its way through it.
 *
 * The dispatcher does what a row can say: state, TLS, the look at the mailbox before the
 * command, metrics.  Handlers are ordinary sequential code.
 * Thread: struct imap_cmd belongs to the thread that runs the command.
 */
#pragma once

#include "imap_parser.h"
#include "imap_session.h"
#include "view.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct db;
struct gateway;
struct imap_cmd;
struct store_body_want;

enum cmd_result {
    CMD_DONE,
    CMD_MORE,     /* the output is full: call again when it has drained */
    CMD_CLOSE,    /* say what was said and end the connection */
    CMD_STARTTLS, /* the tagged OK is written; TLS begins behind it */
    CMD_IDLE,     /* the session idles until DONE */
    CMD_REFUSED,  /* a failed login: the answer waits */
    CMD_AWAY,     /* of ROW_TRY, on the loop: needs a worker; nothing was said or done */
};

enum imap_row_flag {
    ROW_INLINE = 1 << 0, /* needs no database: runs on the loop */
    ROW_LOGIN = 1 << 1,  /* runs in the pool for password hashes */
    ROW_NEEDS_TLS = 1 << 2,
    ROW_UID = 1 << 3,         /* numbers are UIDs */
    ROW_LOOK = 1 << 4,        /* looks at the mailbox first, also without a hint */
    ROW_MAY_LOOK = 1 << 5,    /* looks first if there was a hint */
    ROW_MAY_EXPUNGE = 1 << 6, /* that look may announce expunged messages */
    ROW_IDEMPOTENT = 1 << 7,  /* run again when the database connection was lost */
    ROW_EARLY = 1 << 8,       /* its capability is shown before the login */
    /* That look tells of new messages alone.  A FETCH response with flags that somebody
     * else has changed, amidst the responses that were asked for, is taken by clients for
     * one of these: Delta Chat then misses the body and loses the message. */
    ROW_ONLY_ADDED = 1 << 9,
    /* Is run on the loop first, unless there was a hint; may find that it needs the
     * database after all. */
    ROW_TRY = 1 << 10,
};

typedef enum cmd_result cmd_fn(struct imap_cmd *cmd);

struct imap_command {
    const char *name;
    cmd_fn *run;
    unsigned states; /* enum imap_state */
    unsigned flags;  /* enum imap_row_flag */
    const char *capability;
};

/* Where a command that said CMD_MORE goes on. */
struct imap_cursor {
    struct view_list list; /* what it is about, kept by imap_args_more */
    size_t row;            /* index in the list of messages */
    size_t marked;         /* FETCH: so many of the list are \Seen or need not be */
    uint32_t uid;          /* EXPUNGE: up to here the mailbox is done */
    int64_t modseq;        /* of its last change, which nobody was told of yet */
    size_t item;           /* of that message */
    uint64_t offset;       /* [bytes] of that item's literal; 0: nothing of it is out */
    bool started;          /* not the first call */
    bool open;             /* that message's answer has begun */
    bool any;              /* something went out, for SEARCH's line */
};

struct imap_cmd {
    struct arena *arena;
    struct db *db; /* NULL on the loop */
    struct gateway *gateway;
    struct imap_session *session;
    const struct imap_command *row;
    struct imap_parser args; /* behind the command's name */
    str_t tag;
    struct buf *out;
    struct imap_cursor *cursor;
    str_t message;                 /* APPEND's last literal */
    bool look;                     /* there was a hint since the last look */
    struct store_body_want *ahead; /* bodies that a look reads along */
    size_t ahead_count;
    bool still_news;   /* set: what is new could not all be told */
    bool mailbox_gone; /* set: the look found it deleted */
    bool view_undone;  /* set: the look found what was told to be gone */
    enum rc failed;    /* set by imap_reply_rc */
};

/* Reads tag and name, finds the row and checks what it says.  False: the answer is
 * written already.  cmd needs arena, session and out. */
bool imap_command_parse(struct imap_cmd *cmd, str_t bytes);

/* After imap_command_parse.  Runs the look and the handler, counts and times. */
enum cmd_result imap_command_run(struct imap_cmd *cmd);

/* Look at the selected mailbox now and append what is new. */
void imap_command_look(struct imap_cmd *cmd, enum view_tell tell);

/* The command has changed the selected mailbox; modseq 0: nothing of it. */
void imap_command_changed(struct imap_cmd *cmd, int64_t before, int64_t modseq);

/* Tell the other sessions of the account, after the commit.  uidnext 0: not known. */
void imap_command_publish(struct imap_cmd *cmd, int64_t mailbox, int64_t modseq,
                          uint32_t uidnext);

const struct imap_command *imap_command_rows(size_t *count);
void imap_command_register_metrics(void);

#define IMAP_CMD(name, handler, states, flags, capability) cmd_fn handler;
#include "imap_commands.def"
#undef IMAP_CMD
