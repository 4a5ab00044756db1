/* options_ini.h - chatmail.ini's form: [params], `key = value`, comments, indented lines
 * that go on with the value before.
 *
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stddef.h>

struct arena;

struct options_ini_entry {
    str_t key;
    str_t value; /* lines joined by LF */
    int line;
};

struct options_ini {
    struct options_ini_entry *entries;
    size_t count;
};

enum { OPTIONS_INI_MAX_BYTES = 256 * 1024, OPTIONS_INI_MAX_ENTRIES = 1000 };

/* Borrows text.  RC_INVALID: *line and *why tell where and what. */
enum rc options_ini_parse(struct arena *a, str_t text, struct options_ini *out, int *line,
                          const char **why) RC_CHECKED;
