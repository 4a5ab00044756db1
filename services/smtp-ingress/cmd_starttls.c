/* cmd_starttls.c - STARTTLS: what was said in the clear is forgotten.  RFC 3207.
 *
 * Input that waits behind the command came from whoever sits between us and the client;
 * conn_start_tls refuses it and cuts the connection.
 */
#include "ingress.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"

enum cmd_result cmd_starttls(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;

    if (s->tls) {
        smtp_reply_put(cmd->out, 503, "5.5.1", S("TLS is active already"));
        return CMD_FAIL;
    }
    if (s->port->tls == NULL) {
        smtp_reply_put(cmd->out, 454, "4.7.0", S("TLS not available now"));
        return CMD_FAIL;
    }
    smtp_reply_put(cmd->out, 220, "2.0.0", S("Ready to start TLS"));
    return conn_start_tls(s->conn, s->port->tls) == RC_OK ? CMD_DONE : CMD_CLOSE;
}
