/* command_line.c - words and exit codes. */
#include "svc/command_line.h"

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word, unquoted, at to; its end there, or NULL: a quote is open. */
static char *take_word(str_t *rest, char *to)
{
    bool quoted = false;

    while (rest->n > 0 && (quoted || !is_blank(rest->p[0]))) {
        char c = rest->p[0];

        *rest = str_skip(*rest, 1);
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && quoted && rest->n > 0 &&
            (rest->p[0] == '"' || rest->p[0] == '\\')) {
            c = rest->p[0];
            *rest = str_skip(*rest, 1);
        }
        *to++ = c;
    }
    return quoted ? NULL : to;
}

enum rc command_line_split(struct arena *a, str_t text, char ***words, const char **why)
{
    char *to = arena_alloc(a, 2 * text.n + 1);
    size_t count = 0;

    *words = arena_array(a, COMMAND_LINE_WORDS_MAX + 1, sizeof(**words));
    text = str_trim(text);
    while (text.n > 0) {
        *why = "at most 64 words";
        if (count == COMMAND_LINE_WORDS_MAX)
            return RC_INVALID;
        (*words)[count++] = to;
        to = take_word(&text, to);
        *why = "a quote has no end";
        if (to == NULL)
            return RC_INVALID;
        *to++ = '\0';
        text = str_trim(text);
    }
    *why = "the program must be a whole path such as /usr/local/bin/check";
    return count == 0 || (*words)[0][0] == '/' ? RC_OK : RC_INVALID;
}

enum rc command_line_codes(struct arena *a, str_t text, struct command_line_codes *out,
                           const char **why)
{
    str_t entry, word;
    uint64_t code;

    out->count = 0;
    while (str_split(&text, ';', &entry)) {
        struct command_line_code *c = &out->all[out->count];

        entry = str_trim(entry);
        if (entry.n == 0)
            continue;
        *why = "at most 16 codes";
        if (out->count == COMMAND_LINE_CODES_MAX)
            return RC_INVALID;
        (void)str_split(&entry, ' ', &word);
        *why = "each entry begins with an exit code, 1 to 255";
        if (!str_to_u64(word, 255, &code) || code == 0)
            return RC_INVALID;
        if (policy_parse(a, entry, &c->policy, why) != RC_OK)
            return RC_INVALID;
        *why = "what a code says cannot be off";
        if (c->policy.action == POLICY_OFF)
            return RC_INVALID;
        c->code = (int)code;
        out->count++;
    }
    return RC_OK;
}
