/* verb.c - words in their places, and long flags only, so that a call explains itself. */
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

/* The row that this argument is for: of that name, or the first word that is not there
 * yet. */
static const struct verb_flag *find(const struct verb_flag *flags, const char *argument)
{
    bool word = argument[0] != '-';

    for (const struct verb_flag *f = flags; f->name != NULL; f++) {
        if (word ? f->name[0] != '-' && *f->value == NULL
                 : strcmp(f->name, argument) == 0)
            return f;
    }
    return NULL;
}

static bool has_all_words(const struct verb_flag *flags)
{
    for (const struct verb_flag *f = flags; f->name != NULL; f++) {
        if (f->name[0] == '-' || *f->value != NULL)
            continue;
        verb_fail("%s is missing; --help shows all", f->name);
        return false;
    }
    return true;
}

bool verb_flags(int argc, char **argv, const struct verb_flag *flags)
{
    for (int i = 0; i < argc; i++) {
        const struct verb_flag *f = find(flags, argv[i]);

        if (f == NULL) {
            verb_fail("%s: no such argument; --help shows all", argv[i]);
            return false;
        }
        if (f->name[0] != '-') {
            *f->value = argv[i];
        } else if (f->set != NULL) {
            *f->set = true;
        } else if (i + 1 == argc) {
            verb_fail("%s needs a value", argv[i]);
            return false;
        } else if (!put_value(f, argv[++i])) {
            return false;
        }
    }
    return has_all_words(flags);
}
