/* mxdeliv_form_fuzz.c - header values of a stranger: what is taken stands alone within
 * the angle brackets of one SMTP command. */
#include "mxdeliv_form.h"

#include "base/arena.h"
#include "base/log.h"
#include "smtp/smtp_command.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    VALUES_MAX = MXDELIV_FORM_RECIPIENTS_MAX + 5,
    LINE_MAX_BYTES = 2048 - 64, /* of smtp_framer.h, with parameters behind it */
};

struct values {
    str_t all[VALUES_MAX];
    size_t count;
};

static void put(struct values *v, str_t value)
{
    if (v->count < VALUES_MAX)
        v->all[v->count++] = value;
}

static void check_command(struct arena *a, const char *verb, const char *keyword,
                          str_t value)
{
    struct smtp_command_path path;
    struct smtp_command command;
    str_t line = str_of(arena_printf(a, "%s %s:<%.*s>", verb, keyword, STR_ARG(value)));

    CHECK(line.n == strlen(verb) + strlen(keyword) + 4 + value.n);
    CHECK(str_find_char(line, '\r') == SIZE_MAX && str_find_char(line, '\n') == SIZE_MAX);
    CHECK(line.n <= LINE_MAX_BYTES);
    CHECK(smtp_command_split(line, true, &command) == RC_OK);
    CHECK(smtp_command_path_parse(command.rest, keyword, ADDRESS_UTF8 | ADDRESS_FULL,
                                  &path) == RC_OK);
    CHECK(path.param_count == 0);
}

/* Lines: F and a sender, anything else and a recipient. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t rest = str_n((const char *)data, size), line;
    struct arena *a = arena_new();
    struct values from = { .count = 0 }, to = { .count = 0 };
    struct mxdeliv_form *form = arena_alloc(a, sizeof(*form));

    while (str_split(&rest, '\n', &line))
        put(line.n > 0 && line.p[0] == 'F' ? &from : &to, str_skip(line, 1));
    if (mxdeliv_form_read(a, from.all, from.count, to.all, to.count, form) == NULL) {
        CHECK(from.count <= 1 && form->recipient_count == to.count && to.count > 0);
        check_command(a, "MAIL", "FROM", form->sender);
        for (size_t i = 0; i < form->recipient_count; i++)
            check_command(a, "RCPT", "TO", form->recipients[i]);
    }
    arena_free(&a);
    return 0;
}
