/* session.h - one client: from its bytes to commands, from commands to its bytes.
 *
 * The I/O side.  A command that needs the database leaves for a worker with all that it
 * touches (struct imap_session) and comes back; at most one is away, so what the client
 * sees is in order and nothing here needs a lock.
 * Thread: the loop's, for everything here.
 */
#pragma once

#include "imap_session.h"

#include "net/conn.h"

#include <stdbool.h>
#include <stdint.h>

struct hints_news;
struct io;
struct session;
struct store_mailbox_mark;

extern const struct conn_handler session_handler;

/* The limits of one connection that the listener needs to know. */
enum {
    SESSION_IN_BYTES = 72 * 1024, /* one command with its literals, and a bit */
    SESSION_OUT_SOFT = 64 * 1024,
};

/* Links in the lists of io.c. */
struct session_links {
    struct session *next, *previous; /* of the loop */
    struct session *peer;            /* next of the same account */
};
struct session_links *session_links(struct session *s);

/* Something may have changed: the session looks now or as soon as it can. */
void session_news(struct session *s, const struct hints_news *news);
/* Hints may have been lost.  A session that idles at rest is left to the poll. */
void session_missed(struct session *s);
/* The mailbox that an idle session should be polled for; 0: none.  fresh_before_ms: only
 * one that logged in before that moment and was not asked so since; 0: any. */
int64_t session_poll_wants(const struct session *s, int64_t fresh_before_ms);
/* A worker has been asked for what session_poll_wants has said. */
void session_poll_asked(struct session *s, int64_t fresh_before_ms);
bool session_is_fresh(const struct session *s);
/* What the store said of that mailbox; NULL: it is gone. */
void session_polled(struct session *s, const struct store_mailbox_mark *mark);
void session_drain(struct session *s);

void session_register_metrics(void);
