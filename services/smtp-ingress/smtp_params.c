/* smtp_params.c - one judge for each parameter. */
#include "smtp_params.h"

#include "base/arena.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <inttypes.h>
#include <stdio.h>

typedef bool (*judge_fn)(const struct smtp_command_param *p, struct transaction *t);

/* RFC 1870 */
static bool judge_size(const struct smtp_command_param *p, struct transaction *t)
{
    return p->has_value && str_to_u64(p->value, UINT64_MAX / 2, &t->declared_bytes);
}

/* RFC 6152 */
static bool judge_body(const struct smtp_command_param *p, struct transaction *t)
{
    t->eight_bit = str_eq_nocase(p->value, S("8BITMIME"));
    return t->eight_bit || str_eq_nocase(p->value, S("7BIT"));
}

/* RFC 6531 */
static bool judge_utf8(const struct smtp_command_param *p, struct transaction *t)
{
    t->utf8 = true;
    return !p->has_value;
}

/* RFC 4954 5: it would have to be trusted to mean anything, and it is not. */
static bool judge_auth(const struct smtp_command_param *p, struct transaction *t)
{
    (void)t;
    return p->has_value && p->value.n > 0;
}

static const struct {
    str_t name;
    judge_fn judge;
    const char *keyword;
} rows[] = {
#define SMTP_PARAM(name, judge, keyword) { STR(name), judge, keyword },
#include "smtp_params.def"
#undef SMTP_PARAM
};

static bool refuse_unknown(struct buf *out, str_t name)
{
    smtp_reply_printf(out, 555, "5.5.4", "Unsupported option: %.*s", STR_ARG(name));
    return false;
}

static bool is_repeated(const struct smtp_command_path *path, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (str_eq_nocase(path->params[j].name, path->params[i].name))
            return true;
    return false;
}

bool smtp_params_mail(const struct smtp_command_path *path, struct transaction *t,
                      struct buf *out)
{
    for (size_t i = 0; i < path->param_count; i++) {
        const struct smtp_command_param *p = &path->params[i];
        size_t row = 0;

        while (row < ARRAY_LEN(rows) && !str_eq_nocase(rows[row].name, p->name))
            row++;
        if (row == ARRAY_LEN(rows))
            return refuse_unknown(out, p->name);
        if (is_repeated(path, i) || !rows[row].judge(p, t)) {
            smtp_reply_printf(out, 501, "5.5.4", "Bad value of option: %.*s",
                              STR_ARG(p->name));
            return false;
        }
    }
    return true;
}

bool smtp_params_rcpt(const struct smtp_command_path *path, struct buf *out)
{
    return path->param_count == 0 || refuse_unknown(out, path->params[0].name);
}

void smtp_params_ehlo(struct buf *out, int64_t max_message_bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char size[64];
        str_t line = str_of(rows[i].keyword);

        if (rows[i].keyword == NULL)
            continue;
        if (rows[i].judge == judge_size) {
            (void)snprintf(size, sizeof(size), "%s %" PRId64, rows[i].keyword,
                           max_message_bytes);
            line = str_of(size);
        }
        smtp_reply_line(out, 250, false, NULL, line);
    }
}
