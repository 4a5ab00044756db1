/* io.h - one loop of the gateway: its sessions and the hints for them.
 *
 * Thread: the loop's, except io_post and io_post_all (any).
 */
#pragma once

#include "hints.h"
#include "io_poll.h"

#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct gateway;
struct listener;
struct listener_options;
struct session;

enum {
    IO_PORTS = 2,
    IO_SETTLE_MS = 250, /* a subscription has taken effect by then */
};

struct io {
    struct gateway *gateway;
    struct loop *loop;
    size_t index;
    struct arena *arena;      /* for commands that need no worker */
    struct session *sessions; /* all of the loop */
    struct map *accounts;     /* account to the first of its sessions */
    struct listener *listeners[IO_PORTS];
    struct io_inbox *inbox;
    struct io_poll poll;
};

struct io *io_new(struct gateway *gw, size_t index);
void io_start(struct io *io); /* after listeners could be made */
void io_close(struct io *io); /* accepts no more and ends all connections */
void io_stop(struct io *io);  /* ends the loop's thread; no command is away any more */
void io_free(struct io **io);

/* A session knows its account now: it is told the account's news from here on.  Only what
 * was said before IO_SETTLE_MS had passed since *subscribed_ms may be missing.
 * RC_LIMIT: the account has too many sessions. */
enum rc io_join(struct io *io, struct session *s, int64_t account,
                int64_t *subscribed_ms) RC_CHECKED;
void io_leave(struct io *io, struct session *s, int64_t account);

/* From the bus: news of an account; or "ask the store for everybody". */
void io_post(struct io *io, const struct hints_news *news);
void io_post_all(struct io *io);
/* Say BYE to all; sessions with a command in flight follow when it is done. */
void io_post_drain(struct io *io);
