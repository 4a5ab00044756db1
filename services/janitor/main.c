/* janitor - forgets what is due to be forgotten.
 *
 * Any number of replicas may run; one works, the others wait for its place.
 */
#include "rota.h"
#include "svc/svc.h"

static enum rc start(struct svc *svc)
{
    svc->user = rota_new(svc);
    return RC_OK;
}

static void drain(struct svc *svc)
{
    rota_drain(svc->user);
}

static bool is_drained(struct svc *svc)
{
    return rota_is_drained(svc->user);
}

static void stop(struct svc *svc)
{
    struct rota *r = svc->user;

    rota_free(&r);
}

static const struct svc_service service = {
    .name = "janitor",
    .option_user = OPTIONS_JANITOR,
    .flags = SVC_BINDS_EVENTS,
    .start = start,
    .drain = drain,
    .is_drained = is_drained,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return svc_main(argc, argv, &service);
}
