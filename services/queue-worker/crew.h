/* crew.h - the threads that take batches: what wakes them and when they rest.
 *
 * A hint wakes one thread at once, with no timer in between; without hints each looks
 * every queue_poll_ms.  While PostgreSQL refuses, they come back slower and slower.
 * Thread: crew_mail_queued and crew_outcome_ready from any thread, they never block
 * for long; the rest from the main thread.
 */
#pragma once

#include <stdbool.h>

struct crew;
struct svc;

struct crew *crew_new(struct svc *svc); /* starts the threads */
void crew_mail_queued(struct crew *c);
void crew_outcome_ready(struct crew *c);
void crew_drain(struct crew *c); /* end after the batch in hand */
bool crew_is_drained(struct crew *c);
void crew_free(struct crew **c); /* drains, joins */
