/* command_job.h - a whole command on its way to a worker and back to its loop.
 *
 * Made on the loop, run by a worker, handed back to the loop, freed there; one owner at
 * a time.  While it is away the worker also owns the session's struct imap_session.
 */
#pragma once

#include "imap_command.h"

#include "base/buf.h"
#include "base/rc.h"
#include "net/loop.h"
#include "store/store_body.h"
#include "work/job_queue.h"

#include <stdbool.h>

struct gateway;
struct spool;

enum { COMMAND_JOB_AHEAD = 3 };

struct command_job {
    struct job job;
    struct loop_post post;
    struct loop *loop;
    struct gateway *gateway;
    struct imap_session *session;
    void *user; /* of who gets it back */
    void (*done)(struct command_job *c);
    struct buf bytes; /* the command; empty: only look at the mailbox */
    struct buf out;
    struct imap_cursor cursor;
    struct spool *spool;                             /* APPEND's message, or NULL */
    size_t spool_left;                               /* [bytes] that are still to come */
    struct store_body_want ahead[COMMAND_JOB_AHEAD]; /* of a look: see struct imap_cmd */
    size_t ahead_count;
    bool login;      /* for the pool of logins */
    bool look;       /* there was a hint */
    bool still_news; /* set: not all could be told */
    enum cmd_result result;
};

struct command_job *command_job_new(struct gateway *gw, struct loop *loop,
                                    struct imap_session *session, str_t bytes);
void command_job_free(struct command_job **c); /* wipes the command: it may be LOGIN */

/* done(c) is called on the loop afterwards.  RC_LIMIT, RC_CLOSED: it is not. */
enum rc command_job_submit(struct command_job *c) RC_CHECKED;
