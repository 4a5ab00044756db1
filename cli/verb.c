/* verb.c - long flags only, so that a call explains itself. */
#include "verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int verb_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("postbusctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return VERB_FAILED;
}

static bool put_value(const struct verb_flag *f, const char *value)
{
    int n = 0;

    if (f->value != NULL) {
        *f->value = value;
        return true;
    }
    while (n < VERB_VALUES_MAX - 1 && f->list[n] != NULL)
        n++;
    if (f->list[n] == NULL && n < VERB_VALUES_MAX - 1) {
        f->list[n] = value;
        return true;
    }
    verb_fail("%s: given too often", f->name);
    return false;
}

bool verb_flags(int argc, char **argv, const struct verb_flag *flags)
{
    for (int i = 0; i < argc; i++) {
        const struct verb_flag *f = flags;

        while (f->name != NULL && strcmp(f->name, argv[i]) != 0)
            f++;
        if (f->name == NULL) {
            verb_fail("%s: no such argument; --help shows all", argv[i]);
            return false;
        }
        if (f->set != NULL) {
            *f->set = true;
        } else if (i + 1 == argc) {
            verb_fail("%s needs a value", argv[i]);
            return false;
        } else if (!put_value(f, argv[++i])) {
            return false;
        }
    }
    return true;
}
