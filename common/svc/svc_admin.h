/* svc_admin.h - the admin port: /metrics, /livez, /readyz.
 *
 * Thread: made and freed by main; svc_admin_watch_* from any.
 */
#pragma once

#include "base/rc.h"
#include "svc/svc.h"
#include "svc/svc_status.h"

struct svc_admin;

/* RC_EXISTS, RC_DENIED, RC_INVALID: the port cannot be had. */
enum rc svc_admin_new(const struct options *o, struct svc_status *status,
                      struct svc_admin **out) RC_CHECKED;
void svc_admin_free(struct svc_admin **a);

void svc_admin_watch_loop(struct svc_admin *a, struct loop *loop);
void svc_admin_watch_pulse(struct svc_admin *a, struct svc_pulse *pulse);
void svc_admin_forget_loops(struct svc_admin *a); /* before they are freed */
