/* cmd_enable.c - ENABLE: there is no extension yet that wants it.  RFC 5161. */
#include "imap_reply.h"

enum cmd_result cmd_enable(struct imap_cmd *cmd)
{
    str_t name;

    if (imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "ENABLE needs the name of a capability");
    while (imap_parser_space(&cmd->args))
        if (!imap_parser_atom(&cmd->args, &name))
            break;
    if (!imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "ENABLE needs names of capabilities");
    imap_reply_untagged(cmd->out, "ENABLED");
    return imap_reply_ok(cmd, "Enabled.");
}
