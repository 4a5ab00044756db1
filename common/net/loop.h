/* loop.h - an event loop in a thread of its own, and messages to it.
 *
 * The door to libuv.  Whoever runs on the loop never blocks.  Handles made on a loop
 * are used in its thread only; loop_post and loop_call are the ways in.
 * Thread: loop_post, loop_call, loop_stop, loop_heartbeat_ms: any; the rest as said.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

/* A message to a loop, embedded in what it is about.  Not posted again before it ran. */
struct loop_post {
    void (*run)(struct loop_post *);
    struct loop_post *next;
};

/* A one-shot or periodic timer, embedded in its owner. */
struct loop_timer {
    uv_timer_t uv;
    void (*run)(struct loop_timer *);
    void (*closed)(struct loop_timer *);
};

/* name shows as the thread's name (15 bytes at most are kept). */
struct loop *loop_new(const char *name);
void loop_start(struct loop *l);

/* Ends the thread after the messages that were posted before, and joins it.  What still
 * has handles on the loop is the caller's mistake unless it ends by loop_free. */
void loop_stop(struct loop *l);
void loop_free(struct loop **l); /* after loop_stop, or never started */

/* Run node->run on the loop's thread; never blocks, never fails while the loop lives.
 * Order is kept for one sender. */
void loop_post(struct loop *l, struct loop_post *node);

/* Run fn(arg) on the loop's thread and wait for its end.  Called on that thread, or
 * before loop_start, or after loop_stop, it runs at once. */
void loop_call(struct loop *l, void (*fn)(void *arg), void *arg);

bool loop_is_running(const struct loop *l); /* started and not stopped */
bool loop_is_current(const struct loop *l);
uv_loop_t *loop_uv(struct loop *l);

/* Monotonic time [ms] of the last tick; a loop that does not hang ticks every second. */
int64_t loop_heartbeat_ms(const struct loop *l);

/* Timers: loop thread only.  After loop_timer_close the memory may go once closed() was
 * called (NULL: the owner knows otherwise that the loop has turned). */
void loop_timer_init(struct loop *l, struct loop_timer *t,
                     void (*run)(struct loop_timer *));
void loop_timer_start(struct loop_timer *t, int64_t in_ms, int64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *));
