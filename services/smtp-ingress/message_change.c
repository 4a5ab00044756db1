/* message_change.c - the changed message is put together in a spool of its own, which
 * counts as any other. */
#include "message_change.h"

#include "base/log.h"
#include "judge.h"
#include "mail/message_edit.h"
#include "net/spool.h"
#include "smtp/smtp_reply.h"
#include "svc/options.h"
#include "transaction.h"

static enum check_result refuse(struct check *c, int code, const char *enhanced,
                                str_t text)
{
    smtp_reply_put(c->out, code, enhanced, text);
    return CHECK_REFUSE;
}

void message_change_pass_again(struct check *c)
{
    checks_message_changed(c);
    CHECK(checks_of_message(judge_session(c->judgement), c->out) == c);
}

enum check_result message_change_apply(struct check *c, struct message_edit *e)
{
    struct session *s = judge_session(c->judgement);
    struct spool *spool;
    str_t header, body, message;
    enum rc rc;

    if (!message_edit_is_changed(e))
        return CHECK_PASS;
    rc = message_edit_finish(e, (size_t)c->ingress->options->max_message_size, &header,
                             &body);
    if (rc != RC_OK)
        return refuse(c, 552, "5.3.4", S("Message exceeds maximum size after a change"));
    spool = spool_new(&s->port->spool, c->mail->owner);
    spool_append(spool, header.p, header.n);
    spool_append(spool, body.p, body.n);
    if (spool_finish(spool, &message) != RC_OK) {
        spool_free(&spool);
        return refuse(c, 452, "4.3.1", S("Insufficient system storage"));
    }
    transaction_put_spool(c->mail, spool);
    message_change_pass_again(c);
    log_debug("smtp.changed", "size=%zu", message.n);
    return CHECK_PASS;
}
