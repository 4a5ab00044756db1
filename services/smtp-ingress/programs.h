/* programs.h - what the checks need that ask other programs: a client for rspamd, the
 * command's words and threads, the milters.
 *
 * Made before the first message is judged, and freed after the last session: messages
 * take back what they asked until then.  Unchanged in between.
 */
#pragma once

#include "base/rc.h"
#include "svc/command_line.h"
#include "svc/milters.h"

#include <stdint.h>

struct arena;
struct http_client;
struct milter_room;
struct options;
struct worker_pool;

struct programs {
    struct arena *arena;
    struct http_client *http; /* NULL: rspamd is not asked */
    char **command;           /* its words; NULL: there is none */
    struct command_line_codes codes;
    struct worker_pool *pool; /* runs commands */
    struct milters milter_addresses;
    struct milter_room *milters; /* NULL: there are none */
};

struct programs *programs_new(const struct options *o);
void programs_free(struct programs **p);

/* The most that will be connected to at once. */
int64_t programs_connections(const struct options *o);
