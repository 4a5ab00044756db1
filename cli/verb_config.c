/* verb_config.c - the configuration as each service would read it. */
#include "verb.h"

#include "account/aliases.h"
#include "account/replace_sender.h"
#include "account/route.h"
#include "base/buf.h"
#include "base/log.h"
#include "svc/options.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

static int print_buf(struct buf *b)
{
    size_t n = fwrite(b->p, 1, b->n, stdout);
    int status = n == b->n && fflush(stdout) == 0 ? VERB_DONE : VERB_FAILED;

    buf_fini(b);
    return status;
}

static bool can_replace_senders(const struct options *o)
{
    const struct route_rules route = { options_domains(o),
                                       str_of(o->recipient_delimiter) };
    const str_t postmaster = str_of(o->postmaster_account),
                abuse = str_of(o->abuse_account);
    const struct aliases_senders rules = { &route, { postmaster, abuse } };
    char why[REPLACE_SENDER_WHY_BYTES];
    struct replace_sender *all;
    bool good = replace_sender_new(&rules, str_of(o->replace_sender), &all, why) == RC_OK;

    if (!good)
        verb_fail("%s: replace_sender: %s", options_user_name(OPTIONS_SMTP_INGRESS), why);
    replace_sender_free(&all);
    return good;
}

/* Every service must be able to start, the secrets that each reads among it. */
static int check(const char *file)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *o;

    for (int i = 0; i < OPTIONS_USERS - 1; i++) {
        if (options_load(file, 1 << i, &o, error) != RC_OK ||
            options_look(o, 1 << i, error) != RC_OK)
            return verb_fail("%s: %s", options_user_name(1 << i), error);
        if ((1 << i) == OPTIONS_SMTP_INGRESS && !can_replace_senders(o))
            return VERB_FAILED;
        log_init("postbusctl", LOG_LEVEL_ERROR, false); /* say warnings once */
    }
    puts("the configuration is good");
    return VERB_DONE;
}

static int print(const char *file)
{
    char error[OPTIONS_ERROR_BYTES];
    const struct options *o;
    struct buf b;

    if (options_load(file, OPTIONS_POSTBUSCTL, &o, error) != RC_OK)
        return verb_fail("%s", error);
    buf_init(&b, TEXT_MAX);
    options_print_effective(&b, o, (1 << OPTIONS_USERS) - 1, OPTIONS_POSTBUSCTL);
    return print_buf(&b);
}

static int reference(void)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    options_print_reference(&b);
    return print_buf(&b);
}

int verb_config(int argc, char **argv)
{
    const char *file = NULL;
    const struct verb_flag flags[] = { { "--config", &file, NULL, NULL }, { 0 } };

    if (argc < 1) {
        verb_fail("config needs check, print or reference");
        return VERB_MISUSED;
    }
    if (!verb_flags(argc - 1, argv + 1, flags))
        return VERB_MISUSED;
    if (strcmp(argv[0], "check") == 0)
        return check(options_file(file));
    if (strcmp(argv[0], "print") == 0)
        return print(options_file(file));
    if (strcmp(argv[0], "reference") == 0)
        return reference();
    verb_fail("config needs check, print or reference, not %s", argv[0]);
    return VERB_MISUSED;
}
