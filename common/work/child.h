/* child.h - a program that is run on some bytes, and what it says and does meanwhile is
 * bounded.
 *
 * It runs as the user that we are, in a session of its own, with an empty environment, in
 * the folder /, without new privileges (no_new_privs), with none of our descriptors but
 * its standard three, and within limits of processor time, memory, files and output.
 * When it ends, or has to, all of its process group is killed; it is always waited for.
 * It is made by vfork, so the size of our own memory does not matter, and what runs
 * between that and the exec is system calls only.
 * Limits: a program that makes another session of its own leaves the group, and is
 * bounded by its limits only. Thread: any, which waits.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"

#include <stddef.h>
#include <stdint.h>

struct buf;

struct child_options {
    char *const *words; /* the program's path first; ends in NULL */
    struct deadline until;
    size_t output_max_bytes;
    int64_t memory_bytes; /* of address space */
    int wake_fd;          /* readable: nobody wants it any more; -1: none */
    /* The next bytes for its standard input, at most `room` of them; 0: that was all. */
    size_t (*input)(void *user, char *to, size_t room);
    void *user;
};

/* RC_OK: it ended by itself with *exit_code (127 also: it could not be run), and what it
 * wrote is in *output.  RC_TIMEOUT: it did not end in time; RC_LIMIT: it wrote too much;
 * RC_CLOSED: wake_fd; RC_INVALID: a signal ended it; RC_RETRY: there is no process or
 * descriptor left for it. */
enum rc child_run(const struct child_options *o, struct buf *output,
                  int *exit_code) RC_CHECKED;
