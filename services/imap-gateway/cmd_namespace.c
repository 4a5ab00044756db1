/* cmd_namespace.c - NAMESPACE: one of one's own, none shared.  RFC 2342. */
#include "imap_name.h"
#include "imap_reply.h"

enum cmd_result cmd_namespace(struct imap_cmd *cmd)
{
    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "NAMESPACE takes no arguments");
    imap_reply_untagged(cmd->out, "NAMESPACE ((\"\" \"%c\")) NIL NIL",
                        IMAP_NAME_SEPARATOR);
    return imap_reply_ok(cmd, "Namespace completed.");
}
