/* mxdeliv_form.c - each address is read as the path of a command that holds nothing else.
 */
#include "mxdeliv_form.h"

#include "base/arena.h"
#include "smtp/smtp_command.h"

static bool is_ascii(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return false;
    return true;
}

static bool is_path(struct arena *a, const char *keyword, unsigned flags, str_t value,
                    struct smtp_command_path *out)
{
    str_t line = str_of(arena_printf(a, "%s:<%.*s>", keyword, STR_ARG(value)));

    return line.n == value.n + str_of(keyword).n + 3 && /* no NUL in between */
           smtp_command_path_parse(line, keyword, flags, out) == RC_OK &&
           out->param_count == 0 && !out->bad_address;
}

static bool is_sender(struct arena *a, str_t value)
{
    struct smtp_command_path path;

    return is_path(a, "FROM", ADDRESS_UTF8 | ADDRESS_FULL, value, &path) &&
           !path.is_postmaster;
}

static bool is_recipient(struct arena *a, str_t value)
{
    struct smtp_command_path path;

    return is_path(a, "TO", ADDRESS_UTF8, value, &path) && !path.is_null;
}

#define TOO_LONG "500 5.5.2 Line too long"

const char *mxdeliv_form_read(struct arena *a, const str_t *from, size_t from_count,
                              const str_t *to, size_t to_count, struct mxdeliv_form *out)
{
    *out = (struct mxdeliv_form){ .sender = S("") };
    if (from_count > 1)
        return "501 5.5.4 More than one X-MAIL-FROM";
    if (from_count == 1)
        out->sender = str_trim(from[0]);
    if (out->sender.n > MXDELIV_FORM_ADDRESS_BYTES)
        return TOO_LONG;
    if (!is_sender(a, out->sender))
        return "501 5.1.7 Invalid address in MAIL FROM";
    if (to_count == 0)
        return "503 5.5.1 Bad sequence of commands: need RCPT";
    if (to_count > MXDELIV_FORM_RECIPIENTS_MAX)
        return "452 4.5.3 Too many recipients";
    out->utf8 = !is_ascii(out->sender);
    for (size_t i = 0; i < to_count; i++) {
        str_t value = str_trim(to[i]);

        if (value.n > MXDELIV_FORM_ADDRESS_BYTES)
            return TOO_LONG;
        if (!is_recipient(a, value))
            return "501 5.1.3 Bad recipient address syntax";
        out->utf8 = out->utf8 || !is_ascii(value);
        out->recipients[out->recipient_count++] = value;
    }
    return NULL;
}
