/* task.h - what each janitor task is given, and the list of them.
 *
 * tasks.def is the table; task_x.c exports task_x and nothing else.  A task works in
 * short transactions that may be repeated, stops between two of them when asked, and
 * tells the gateways after each.
 * Thread: the janitor's one.
 */
#pragma once

#include "base/rc.h"
#include "svc/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct bus;
struct db;
struct store_expire_hint;
struct store_expire_rule;

struct task_tools {
    struct db *db;
    struct arena *arena; /* reset by whoever loops */
    struct bus *bus;
    const struct options *options;
    atomic_bool stop;
    size_t rests; /* between batches, see rest.h */
};

typedef enum rc (*task_fn)(struct task_tools *t, int64_t *removed);

/* What *removed counts is the task's row's word. */
#define TASK(name, interval, counts)                                                     \
    enum rc task_##name(struct task_tools *t, int64_t *removed) RC_CHECKED;
#include "tasks.def"
#undef TASK

enum { TASK_DAY_S = 86400 };
