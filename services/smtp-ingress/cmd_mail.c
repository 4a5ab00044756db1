/* cmd_mail.c - MAIL FROM begins a transaction.  RFC 5321 4.1.1.2. */
#include "checks.h"
#include "base/arena.h"
#include "ingress.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "smtp_params.h"
#include "transaction.h"

static bool is_ascii(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return false;
    return true;
}

static bool begin(struct smtp_cmd *cmd, struct transaction *t,
                  const struct smtp_command_path *path)
{
    struct check c = checks_of(cmd->session, cmd->out);

    if (!smtp_params_mail(path, cmd->session->tls, t, cmd->out))
        return false;
    if (!t->utf8 && !is_ascii(path->address.text)) {
        smtp_reply_put(cmd->out, 553, "5.6.7", S("Address needs SMTPUTF8"));
        return false;
    }
    t->sender = t->return_path = arena_str(t->arena, path->address.text);
    c.mail = t;
    return checks_run(&c, CHECKS_SENDER, CHECKS_LOOP) == CHECK_PASS;
}

enum cmd_result cmd_mail(struct smtp_cmd *cmd)
{
    const unsigned grammar = ADDRESS_UTF8 | ADDRESS_FULL;
    struct smtp_command_path path;
    enum rc rc = smtp_command_path_parse(cmd->rest, "FROM", grammar, &path);
    struct transaction *t;

    if (rc != RC_OK && !path.bad_address) {
        smtp_reply_put(cmd->out, 501, "5.5.4", S("Syntax: MAIL FROM:<address>"));
        return CMD_FAIL;
    }
    if (rc != RC_OK || path.is_postmaster) {
        smtp_reply_put(cmd->out, 501, "5.1.7", S("Invalid address in MAIL FROM"));
        return CMD_FAIL;
    }
    t = transaction_new();
    t->answers_each = cmd->session->port->kind == PORT_LMTP;
    if (!begin(cmd, t, &path)) {
        transaction_free(&t);
        return CMD_FAIL;
    }
    cmd->session->mail = t;
    smtp_reply_put(cmd->out, 250, "2.1.0", S("Ok"));
    return CMD_DONE;
}
