/* imap_select.c - SELECT and EXAMINE.  Delta Chat selects INBOX again after every batch,
 * so that costs one round trip: INBOX's id follows from the account, and its UIDVALIDITY
 * never changes once it is known.  RFC 9051 6.3.2. */
#include "imap_select.h"

#include "imap_args.h"
#include "imap_reply.h"
#include "view.h"

#include "store/store_flags.h"
#include "store/store_ids.h"
#include "store/store_mailbox.h"

#include <inttypes.h>

void imap_select_leave(struct imap_session *session)
{
    view_free(&session->view);
    session->state = ST_AUTHENTICATED;
}

static enum rc open_view(struct imap_cmd *cmd, str_t name, struct view **out)
{
    struct imap_session *s = cmd->session;
    bool inbox = str_eq(name, S("INBOX"));
    struct store_mailbox box = { .uidvalidity = s->inbox_validity };
    enum rc rc = RC_OK;

    if (inbox && s->inbox_validity != 0)
        box.id = store_ids_mailbox(s->account, STORE_IDS_INBOX);
    else
        rc = store_mailbox_find(cmd->arena, cmd->db, s->account, name, &box);
    if (rc == RC_OK)
        rc = view_new(cmd->arena, cmd->db, box.id, out);
    if (rc != RC_OK)
        return rc;
    (*out)->uidvalidity = box.uidvalidity;
    if (inbox)
        s->inbox_validity = box.uidvalidity;
    return RC_OK;
}

static void tell(struct imap_cmd *cmd, const struct view *v)
{
    struct buf *out = cmd->out;

    imap_reply_text(out, "* FLAGS ");
    imap_reply_flags(out, UINT32_MAX);
    imap_reply_end(out);
    imap_reply_permanent_flags(out, v->read_only ? 0 : UINT32_MAX);
    imap_reply_untagged(out, "%" PRIu32 " EXISTS", v->count);
    imap_reply_untagged(out, "0 RECENT");
    for (uint32_t i = 0; i < v->count; i++) {
        if ((v->rows[i].flags & STORE_FLAGS_SEEN) == 0) {
            imap_reply_untagged(out, "OK [UNSEEN %" PRIu32 "] First unseen.", i + 1);
            break;
        }
    }
    imap_reply_untagged(out, "OK [UIDVALIDITY %" PRIu32 "] UIDs valid", v->uidvalidity);
    imap_reply_untagged(out, "OK [UIDNEXT %" PRIu32 "] Predicted next UID", v->uidnext);
}

enum cmd_result imap_select_mailbox(struct imap_cmd *cmd, bool read_only)
{
    struct imap_session *s = cmd->session;
    struct view *view;
    str_t name;
    enum rc rc;

    if (!imap_args_mailbox(&cmd->args, &name) || !imap_parser_end(&cmd->args))
        return imap_reply_args(cmd, "a mailbox is needed");
    imap_select_leave(s);
    rc = open_view(cmd, name, &view);
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    view->read_only = read_only;
    s->view = view;
    s->state = ST_SELECTED;
    cmd->still_news = false; /* whatever there was, it is in this view */
    tell(cmd, view);
    if (read_only)
        return imap_reply_ok_code(cmd, "READ-ONLY", "Examine completed.");
    return imap_reply_ok_code(cmd, "READ-WRITE", "Select completed.");
}
