/* svc_arguments.h - a service's command line.  Thread: main. */
#pragma once

#include "svc/svc.h"

enum svc_action {
    SVC_ACTION_SERVE,
    SVC_ACTION_EXTRA, /* the service's own flag */
    SVC_ACTION_EXIT,  /* all is said; *status is the exit status */
};

/* Prints what --help, --version and --check-config ask for.  A configuration that cannot
 * be used is said in one line on standard error, status 2. */
enum svc_action svc_arguments_read(int argc, char **argv,
                                   const struct svc_service *service,
                                   const struct options **options, int *status);

/* Writes all to standard output. */
void svc_arguments_say(const char *text);
