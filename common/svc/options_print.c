/* options_print.c - the table of options as texts for people. */
#include "base/buf.h"
#include "svc/options.h"
#include "svc/options_row.h"

#include <string.h>

static void print_name(struct buf *to, const struct options_row *row)
{
    buf_puts(to, row->name);
    if (row->kind == OPTIONS_SECRET)
        buf_puts(to, "_file");
}

void options_print_help(struct buf *to, enum options_user user)
{
    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];

        if (!(row->users & user))
            continue;
        buf_puts(to, "  ");
        print_name(to, row);
        buf_printf(to, " = %s\n      %s\n      ", row->standard, row->sentence);
        options_row_describe(row, to);
        buf_puts(to, "\n");
    }
}

static void print_users(struct buf *to, unsigned users)
{
    const char *comma = "";
    unsigned services = (1u << (OPTIONS_USERS - 1)) - 1;

    if ((users & services) == services) {
        buf_puts(to, "all");
        return;
    }
    for (int i = 0; i < OPTIONS_USERS; i++) {
        if (users & 1u << i) {
            buf_printf(to, "%s%s", comma, options_user_name(1 << i));
            comma = ", ";
        }
    }
}

void options_print_reference(struct buf *to)
{
    buf_puts(to,
             "# Options\n\n"
             "Keys of `postbus.ini`; in the environment each is `POSTBUS_` and the "
             "name in capitals, which comes first.  `POSTBUS_DEFAULT_` and the name, for "
             "images and the like, takes the default's place.  Made by `postbusctl "
             "config reference`.\n\n"
             "| option | default | value | used by | meaning |\n"
             "|---|---|---|---|---|\n");
    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];

        buf_puts(to, "| `");
        print_name(to, row);
        buf_puts(to, "` | ");
        if (row->standard[0] != '\0')
            buf_printf(to, "`%s`", row->standard);
        buf_puts(to, " | ");
        options_row_describe(row, to);
        buf_puts(to, " | ");
        print_users(to, row->users);
        buf_printf(to, " | %s |\n", row->sentence);
    }
}

/* A value of several lines as the file has it. */
static void print_value(struct buf *to, str_t value)
{
    str_t line;

    while (str_split(&value, '\n', &line)) {
        buf_put(to, line);
        if (value.n > 0)
            buf_puts(to, "\n    ");
    }
}

static void print_secret(struct buf *to, const struct options_row *row, bool is_set,
                         enum options_user reader)
{
    if (row->users & reader)
        buf_printf(to, "# %s is %s\n", row->name, is_set ? "set" : "empty");
    else
        buf_printf(to, "# %s is not read by %s\n", row->name, options_user_name(reader));
}

void options_print_effective(struct buf *to, const struct options *o, unsigned users,
                             enum options_user reader)
{
    buf_puts(to, "[params]\n");
    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];
        struct buf value;

        if (!(row->users & users))
            continue;
        buf_init(&value, 65536);
        options_row_format(row, o, &value);
        if (row->kind == OPTIONS_SECRET) {
            print_secret(to, row, value.n > 0, reader);
        } else {
            buf_printf(to, "%s = ", row->name);
            print_value(to, buf_str(&value));
            buf_puts(to, "\n");
        }
        buf_fini(&value);
    }
}
