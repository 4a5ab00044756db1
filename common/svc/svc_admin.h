/* svc_admin.h - the admin port: /metrics, /livez, /readyz, and a service's own /api/.
 *
 * Thread: made and freed by main; svc_admin_watch_* from any.
 */
#pragma once

#include "base/rc.h"
#include "svc/svc.h"
#include "svc/svc_status.h"

struct svc_admin;

/* RC_EXISTS, RC_DENIED, RC_INVALID: the port cannot be had.  has_api: there is something
 * below /api/, though perhaps not yet. */
enum rc svc_admin_new(const struct options *o, struct svc_status *status, bool has_api,
                      struct svc_admin **out) RC_CHECKED;
void svc_admin_free(struct svc_admin **a); /* after svc_admin_close_api */

/* From now on the service's hooks answer below /api/; until then nobody can. */
void svc_admin_open_api(struct svc_admin *a, struct svc *svc);
/* No hook runs any more when this returns. */
void svc_admin_close_api(struct svc_admin *a);

void svc_admin_watch_loop(struct svc_admin *a, struct loop *loop);
void svc_admin_watch_pulse(struct svc_admin *a, struct svc_pulse *pulse);
void svc_admin_forget_loops(struct svc_admin *a); /* before they are freed */
