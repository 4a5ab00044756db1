/* api.h - calls of the admin API. */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct arena;

/* What all verbs that call it have in common; unset ones are NULL. */
struct api_flags {
    const char *config, *url, *ca_file, *token_file;
    bool json; /* for programs */
};

#define API_FLAGS(f)                                                                     \
    { "--api", &(f).url, NULL, NULL }, { "--ca", &(f).ca_file, NULL, NULL },             \
        { "--token-file", &(f).token_file, NULL, NULL },                                 \
        { "--config", &(f).config, NULL, NULL }, { "--json", NULL, &(f).json, NULL },    \
    {                                                                                    \
        0                                                                                \
    }

/* A text as one segment of a path. */
char *api_escape(struct arena *a, str_t text);

/* Asks, with a body if json is not empty, and prints what comes.  Returns the exit
 * status; failures are told. */
int api_show(struct arena *a, const struct api_flags *f, const char *method,
             const char *path, str_t json);
