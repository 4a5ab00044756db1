/* options_ini.c - line by line; the last entry is kept open for lines that go on. */
#include "svc/options_ini.h"

#include "base/arena.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *add_section(str_t line)
{
    return str_eq(line, S("[params]")) ? NULL : "the only section is [params]";
}

static const char *add_continuation(struct arena *a, struct options_ini *ini, str_t line)
{
    struct options_ini_entry *e;

    if (ini->count == 0)
        return "an indented line without a key before it";
    e = &ini->entries[ini->count - 1];
    if (e->value.n == 0)
        e->value = line;
    else
        e->value =
            str_of(arena_printf(a, "%.*s\n%.*s", STR_ARG(e->value), STR_ARG(line)));
    return NULL;
}

static const char *add_entry(struct options_ini *ini, str_t line, int number)
{
    size_t at = str_find_char(line, '=');
    struct options_ini_entry *e;
    str_t key;

    if (at == SIZE_MAX)
        at = str_find_char(line, ':');
    if (at == SIZE_MAX)
        return "neither a comment nor `key = value`";
    if (ini->count == OPTIONS_INI_MAX_ENTRIES)
        return "more than 1000 keys";
    key = str_trim(str_head(line, at));
    for (size_t i = 0; i < ini->count; i++) {
        if (str_eq(ini->entries[i].key, key))
            return "this key stands in the file before";
    }
    e = &ini->entries[ini->count++];
    e->key = key;
    e->value = str_trim(str_skip(line, at + 1));
    e->line = number;
    return NULL;
}

enum rc options_ini_parse(struct arena *a, str_t text, struct options_ini *out, int *line,
                          const char **why)
{
    str_t raw;

    out->entries = arena_array(a, OPTIONS_INI_MAX_ENTRIES, sizeof(*out->entries));
    out->count = 0;
    *line = 0;
    *why = str_find_char(text, '\0') == SIZE_MAX ? NULL : "contains a NUL byte";
    while (*why == NULL && str_split(&text, '\n', &raw)) {
        str_t trimmed = str_trim(raw);

        ++*line;
        if (trimmed.n == 0 || trimmed.p[0] == '#' || trimmed.p[0] == ';')
            continue;
        if (is_blank(raw.p[0]))
            *why = add_continuation(a, out, trimmed);
        else if (trimmed.p[0] == '[')
            *why = add_section(trimmed);
        else
            *why = add_entry(out, trimmed, *line);
    }
    return *why == NULL ? RC_OK : RC_INVALID;
}
