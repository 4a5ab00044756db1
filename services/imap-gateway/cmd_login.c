/* cmd_login.c - LOGIN.  RFC 9051 6.2.3. */
#include "imap_login.h"
#include "imap_reply.h"

enum cmd_result cmd_login(struct imap_cmd *cmd)
{
    struct imap_parser *in = &cmd->args;
    str_t user, password;

    if (!imap_parser_space(in) || !imap_parser_astring(in, &user) ||
        !imap_parser_space(in) || !imap_parser_astring(in, &password) ||
        !imap_parser_end(in))
        return imap_reply_args(cmd, "LOGIN needs a name and a password");
    return imap_login_try(cmd, user, password);
}
