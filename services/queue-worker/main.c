/* queue-worker - routes and delivers what waits in the queue.
 *
 * The only service that knows where a recipient's mail goes.  Any number of replicas may
 * run; PostgreSQL's row locks keep them apart.
 */
#include "crew.h"
#include "svc/svc.h"

static enum rc start(struct svc *svc)
{
    svc->user = crew_new(svc);
    return RC_OK;
}

static void drain(struct svc *svc)
{
    crew_drain(svc->user);
}

static bool is_drained(struct svc *svc)
{
    return crew_is_drained(svc->user);
}

static void stop(struct svc *svc)
{
    struct crew *c = svc->user;

    crew_free(&c);
}

static void on_message(struct svc *svc, const struct msg *m)
{
    if (svc->user == NULL)
        return; /* not started: the first look finds everything */
    if (m->kind == MSG_mail_queued)
        crew_mail_queued(svc->user);
    else if (m->kind == MSG_outcome_ready)
        crew_outcome_ready(svc->user);
}

static const struct svc_service service = {
    .name = "queue-worker",
    .option_user = OPTIONS_QUEUE_WORKER,
    .flags = SVC_BINDS_WORK | SVC_BINDS_EVENTS,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
    .on_message = on_message,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
