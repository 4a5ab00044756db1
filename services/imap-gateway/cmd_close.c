/* cmd_close.c - CLOSE: expunge silently and leave.  RFC 9051 6.4.1. */
#include "imap_expunge.h"
#include "imap_reply.h"
#include "imap_select.h"
#include "view.h"

/* After an expunge under the mailbox's lock that found nothing of others: the view shows
 * the mailbox as it is. */
static bool is_up_to_date(const struct imap_session *s, int64_t modseq_before)
{
    return s->own_modseq != modseq_before && s->view->modseq == s->own_modseq;
}

enum cmd_result cmd_close(struct imap_cmd *cmd)
{
    int64_t own_before = cmd->session->own_modseq;
    enum rc rc = RC_OK;

    if (!imap_parser_end(&cmd->args))
        return imap_reply_bad(cmd, "CLOSE takes no arguments");
    if (!cmd->session->view->read_only)
        rc = imap_expunge(cmd, NULL, NULL);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return imap_reply_rc(cmd, rc);
    if (is_up_to_date(cmd->session, own_before))
        imap_select_park(cmd->session);
    else
        imap_select_leave(cmd->session);
    return imap_reply_ok(cmd, "Close completed.");
}
