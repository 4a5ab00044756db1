/* io_poll.h - asks the store for idle sessions what no hint has told.
 *
 * A round goes through all sessions of the loop in slices: spread over
 * mailbox_poll_seconds, or one right after the other when hints were lost.  So neither
 * the loop, nor a worker, nor PostgreSQL has a hundred thousand of them to do with at
 * once. Thread: the loop's.
 */
#pragma once

#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct io;
struct session;

enum {
    IO_POLL_SLICES = 40,    /* of a round */
    IO_POLL_SLICE_MIN = 16, /* sessions; a round of few has fewer slices */
};

struct io_poll {
    struct loop_timer slice_timer;
    struct loop_timer settle_timer; /* runs while sessions wait for their first poll */
    struct session *next;           /* of the round; NULL: it is over */
    size_t slice;                   /* sessions in each of its slices */
    unsigned ticks;                 /* since the last round was due */
    bool busy;                      /* a slice is away */
    bool hurry;                     /* the round does not wait for the timer */
};

void io_poll_start(struct io *io);
void io_poll_close(struct io *io); /* before the loop stops */

/* A session's hints were asked for a moment ago: ask the store once for it when that has
 * surely taken effect. */
void io_poll_settle(struct io *io);
/* Ask for everybody now. */
void io_poll_all(struct io *io);
/* The session is about to be freed. */
void io_poll_forget(struct io *io, const struct session *s);
