/* main.c - postbusctl VERB: finds the row and calls it. */
#include "verb.h"

#include "base/log.h"
#include "base/str.h"
#include "svc/svc.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *arguments, *sentence;
    int (*run)(int argc, char **argv);
} verbs[] = {
#define VERB(name, arguments, sentence) { #name, arguments, sentence, verb_##name },
#include "verbs.def"
#undef VERB
};

static void print_verb(size_t i)
{
    printf("  postbusctl %s %s\n      %s\n", verbs[i].name, verbs[i].arguments,
           verbs[i].sentence);
}

static int help(void)
{
    printf("usage: postbusctl VERB [ARGUMENTS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        print_verb(i);
    return VERB_DONE;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    log_init("postbusctl", LOG_LEVEL_WARN, false);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help();
        return argc < 2 ? VERB_MISUSED : VERB_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("postbus " SVC_VERSION "\n");
        return VERB_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, argv[1]) != 0)
            continue;
        if (!wants_help(argc, argv))
            return verbs[i].run(argc - 2, argv + 2);
        print_verb(i);
        return VERB_DONE;
    }
    verb_fail("%s: no such verb; --help shows all", argv[1]);
    return VERB_MISUSED;
}
