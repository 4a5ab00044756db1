/* cmd_starttls.c - STARTTLS; the session begins the handshake behind the answer, and
 * refuses whoever sent something in the clear behind the command.  RFC 9051 6.2.1. */
#include "gateway.h"
#include "imap_reply.h"

enum cmd_result cmd_starttls(struct imap_cmd *cmd)
{
    if (cmd->session->tls)
        return imap_reply_bad(cmd, "TLS is active already");
    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "STARTTLS takes no arguments");
    if (cmd->gateway->tls == NULL)
        return imap_reply_no(cmd, "UNAVAILABLE", "there is no certificate");
    imap_reply_ok(cmd, "Begin TLS negotiation now.");
    return CMD_STARTTLS;
}
