/* cmd_ehlo.c - EHLO, HELO and LHLO: what can be done here.  RFC 5321 4.1.1.1, RFC 2033
 * 4.1.
 *
 * The name that the client gives itself is looked at for its grammar and kept for checks.
 */
#include "base/mem.h"
#include "ingress.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "smtp_params.h"
#include "svc/options.h"

static void put_keywords(struct smtp_cmd *cmd)
{
    const struct session *s = cmd->session;

    smtp_reply_line(cmd->out, 250, false, NULL, s->ingress->host);
    smtp_reply_line(cmd->out, 250, false, NULL, S("PIPELINING"));
    smtp_params_ehlo(cmd->out, s->tls, s->ingress->options->max_message_size);
    for (size_t i = 0; i < smtp_commands_count(); i++) {
        const struct smtp_commands_row *row = smtp_commands_at(i);

        if (row->keyword != NULL && smtp_commands_offered(s, row))
            smtp_reply_line(cmd->out, 250, false, NULL, str_of(row->keyword));
    }
    smtp_reply_line(cmd->out, 250, true, NULL, S("ENHANCEDSTATUSCODES"));
}

enum cmd_result cmd_ehlo(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    str_t host;

    if (smtp_command_hello_parse(cmd->rest, &host) != RC_OK) {
        smtp_reply_put(cmd->out, 501, "5.5.2",
                       S("Helo command rejected: neither a host name nor an address "
                         "literal"));
        return CMD_FAIL;
    }
    mem_free(s->hello);
    s->hello = mem_cstr(host.p, host.n);
    if (!str_eq(cmd->row->verb, S("HELO")))
        put_keywords(cmd);
    else
        smtp_reply_put(cmd->out, 250, NULL, s->ingress->host);
    return CMD_DONE;
}
