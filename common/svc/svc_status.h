/* svc_status.h - what a service misses just now: for /readyz, and once per change for
 * the log.
 *
 * The main thread says it anew each second, between svc_status_begin and svc_status_end.
 * Thread: reading from any.
 */
#pragma once

#include <stdbool.h>

struct buf;
struct svc_status;

struct svc_status *svc_status_new(const char *service); /* not ready */
void svc_status_free(struct svc_status **s);

void svc_status_begin(struct svc_status *s);
/* required: the service is not ready without it.  quiet: no line in the log yet. */
void svc_status_missing(struct svc_status *s, const char *what, const char *reason,
                        bool required, bool quiet);
void svc_status_end(struct svc_status *s);

/* Writes {"service":…,"ready":…,"missing":[…]} and tells whether it is ready. */
bool svc_status_render(struct svc_status *s, struct buf *to);
