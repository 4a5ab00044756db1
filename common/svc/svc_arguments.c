/* svc_arguments.c - few flags, all long: everything else is in the file. */
#include "svc/svc_arguments.h"

#include "base/buf.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20, EXIT_CONFIG = 2 };

void svc_arguments_say(const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t put = write(STDOUT_FILENO, text, n);

        if (put <= 0)
            return;
        text += put;
        n -= (size_t)put;
    }
}

static void say_buf(struct buf *b)
{
    buf_putc(b, '\0');
    svc_arguments_say(b->p);
    buf_fini(b);
}

static void say_help(const struct svc_service *service)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    buf_printf(&b, "usage: %s [--config FILE] [--check-config]%s%s%s\n\n", service->name,
               service->extra_flag == NULL ? "" : " [",
               service->extra_flag == NULL ? "" : service->extra_flag,
               service->extra_flag == NULL ? "" : "]");
    buf_printf(&b,
               "  --config FILE   the configuration; without it POSTBUS_CONFIG, else\n"
               "                  %s if it exists\n"
               "  --check-config  say what is wrong with it, or the values in effect\n"
               "  --version\n\n"
               "Options of the file; POSTBUS_<NAME> in the environment comes first:\n\n",
               OPTIONS_STANDARD_FILE);
    options_print_help(&b, service->option_user);
    say_buf(&b);
}

static enum svc_action leave(int *status, int value)
{
    *status = value;
    return SVC_ACTION_EXIT;
}

static enum svc_action misuse(const char *argument, int *status)
{
    log_error("arguments.invalid", "argument=\"%s\" advice=\"see --help\"", argument);
    return leave(status, EXIT_CONFIG);
}

static void say_effective(const struct svc_service *service, const struct options *o)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    options_print_effective(&b, o, service->option_user, service->option_user);
    say_buf(&b);
}

enum svc_action svc_arguments_read(int argc, char **argv,
                                   const struct svc_service *service,
                                   const struct options **options, int *status)
{
    const char *file = NULL;
    bool check = false, extra = false;
    char error[OPTIONS_ERROR_BYTES];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (strcmp(argv[i], "--check-config") == 0) {
            check = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            say_help(service);
            return leave(status, 0);
        } else if (strcmp(argv[i], "--version") == 0) {
            svc_arguments_say("postbus " SVC_VERSION "\n");
            return leave(status, 0);
        } else if (service->extra_flag != NULL &&
                   strcmp(argv[i], service->extra_flag) == 0) {
            extra = true;
        } else {
            return misuse(argv[i], status);
        }
    }
    if (options_load(options_file(file), service->option_user, options, error) != RC_OK) {
        log_error("config.invalid", "reason=\"%s\"", error);
        return leave(status, EXIT_CONFIG);
    }
    if (check && options_look(*options, service->option_user, error) != RC_OK) {
        log_error("config.invalid", "reason=\"%s\"", error);
        return leave(status, EXIT_CONFIG);
    }
    if (check) {
        say_effective(service, *options);
        return leave(status, 0);
    }
    return extra ? SVC_ACTION_EXTRA : SVC_ACTION_SERVE;
}
