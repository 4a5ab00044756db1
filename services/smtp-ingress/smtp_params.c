/* smtp_params.c - one judge for each parameter. */
#include "smtp_params.h"

#include "base/arena.h"
#include "smtp/smtp_dsn.h"
#include "smtp/smtp_reply.h"
#include "transaction.h"

#include <inttypes.h>
#include <stdio.h>

enum command { MAIL, RCPT };
enum { PARAM_TLS = 1 << 0 };

/* What a judge fills in: the transaction, and of RCPT the recipient. */
struct target {
    struct transaction *mail;
    struct transaction_recipient *recipient;
};

typedef bool (*judge_fn)(const struct smtp_command_param *p, const struct target *to);

/* RFC 1870 3: up to twenty digits; more than a number here can say is too much in any
 * case. */
static bool judge_size(const struct smtp_command_param *p, const struct target *to)
{
    for (size_t i = 0; i < p->value.n; i++)
        if (!str_is_digit(p->value.p[i]))
            return false;
    if (!str_to_u64(p->value, UINT64_MAX, &to->mail->declared_bytes))
        to->mail->declared_bytes = UINT64_MAX;
    return p->has_value && p->value.n <= 20;
}

/* RFC 6152 */
static bool judge_body(const struct smtp_command_param *p, const struct target *to)
{
    to->mail->eight_bit = str_eq_nocase(p->value, S("8BITMIME"));
    return to->mail->eight_bit || str_eq_nocase(p->value, S("7BIT"));
}

/* RFC 6531 */
static bool judge_utf8(const struct smtp_command_param *p, const struct target *to)
{
    to->mail->utf8 = true;
    return !p->has_value;
}

/* RFC 4954 5: it would have to be trusted to mean anything, and it is not. */
static bool judge_auth(const struct smtp_command_param *p, const struct target *to)
{
    (void)to;
    return p->has_value && p->value.n > 0;
}

/* RFC 3461 */
static bool judge_ret(const struct smtp_command_param *p, const struct target *to)
{
    return smtp_dsn_ret(p->value, &to->mail->ret) == RC_OK;
}

static bool judge_envid(const struct smtp_command_param *p, const struct target *to)
{
    return smtp_dsn_envid(to->mail->arena, p->value, &to->mail->envid) == RC_OK;
}

/* RFC 8689 2 */
static bool judge_requiretls(const struct smtp_command_param *p, const struct target *to)
{
    to->mail->requiretls = true;
    return !p->has_value;
}

static bool judge_notify(const struct smtp_command_param *p, const struct target *to)
{
    return smtp_dsn_notify(p->value, &to->recipient->notify) == RC_OK;
}

static bool judge_orcpt(const struct smtp_command_param *p, const struct target *to)
{
    return smtp_dsn_orcpt(to->mail->arena, p->value, to->mail->utf8,
                          &to->recipient->orcpt) == RC_OK;
}

static const struct param_row {
    str_t name;
    enum command command;
    judge_fn judge;
    unsigned flags;
    const char *keyword;
} rows[] = {
#define SMTP_PARAM(name, command, judge, flags, keyword)                                 \
    { STR(name), command, judge, flags, keyword },
#include "smtp_params.def"
#undef SMTP_PARAM
};

static bool refuse(struct buf *out, int code, const char *what, str_t name)
{
    smtp_reply_printf(out, code, "5.5.4", "%s: %.*s", what, STR_ARG(name));
    return false;
}

static bool is_repeated(const struct smtp_command_path *path, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (str_eq_nocase(path->params[j].name, path->params[i].name))
            return true;
    return false;
}

static bool is_known(const struct param_row *row, bool tls)
{
    return tls || (row->flags & PARAM_TLS) == 0;
}

static const struct param_row *find(enum command command, str_t name, bool tls)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].command == command && is_known(&rows[i], tls) &&
            str_eq_nocase(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* RFC 5321 4.1.1.11: 555 for a parameter that nobody knows here. */
static bool take(enum command command, const struct smtp_command_path *path, bool tls,
                 const struct target *to, struct buf *out)
{
    for (size_t i = 0; i < path->param_count; i++) {
        const struct smtp_command_param *p = &path->params[i];
        const struct param_row *row = find(command, p->name, tls);

        if (row == NULL)
            return refuse(out, 555, "Unsupported option", p->name);
        if (is_repeated(path, i) || !row->judge(p, to))
            return refuse(out, 501, "Bad value of option", p->name);
    }
    return true;
}

bool smtp_params_mail(const struct smtp_command_path *path, bool tls,
                      struct transaction *t, struct buf *out)
{
    const struct target to = { .mail = t };

    return take(MAIL, path, tls, &to, out);
}

bool smtp_params_rcpt(const struct smtp_command_path *path, bool tls,
                      struct transaction *t, struct transaction_recipient *about,
                      struct buf *out)
{
    const struct target to = { t, about };

    return take(RCPT, path, tls, &to, out);
}

void smtp_params_ehlo(struct buf *out, bool tls, int64_t max_message_bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char size[64];
        str_t line = str_of(rows[i].keyword);

        if (rows[i].keyword == NULL || !is_known(&rows[i], tls))
            continue;
        if (rows[i].judge == judge_size) {
            (void)snprintf(size, sizeof(size), "%s %" PRId64, rows[i].keyword,
                           max_message_bytes);
            line = str_of(size);
        }
        smtp_reply_line(out, 250, false, NULL, line);
    }
}
