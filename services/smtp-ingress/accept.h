/* accept.h - a whole message becomes a durable one, or a refusal.
 *
 * Checks, scrubbing, commit, hint, reply, in this order.
 */
#pragma once

#include "session.h"

struct accept;
struct bus;

/* bus may be NULL: no hints. */
struct accept *accept_new(struct bus *bus);
void accept_free(struct accept **a);

/* A session_job_fn: s->mail holds the message in its spool. */
enum cmd_result accept_message(struct session *s, struct worker *w, struct buf *out);

void accept_register_metrics(void);
