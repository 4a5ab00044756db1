/* cmd_data.c - DATA.  RFC 5321 4.1.1.4.
 *
 * The message runs through the framer into the spool while it comes; a judge, if it has
 * to be judged, or a worker gets it when it is whole.  Whatever two servers could read as
 * two different ends of it is an error (SMTP smuggling), and the connection that sent it
 * is not trusted any further.
 */
#include "cmd_data.h"

#include "accept.h"
#include "base/log.h"
#include "base/metric.h"
#include "dkim_watch.h"
#include "ingress.h"
#include "judge.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "net/spool.h"
#include "svc/options.h"
#include "transaction.h"

enum { MAX_LINE_BYTES = 8192 };

static struct metric malformed = { .kind = METRIC_COUNTER,
                                   .name = "postbus_smtp_malformed_data",
                                   .labels = "",
                                   .help =
                                       "Messages with bytes that must not be there." };

/* The code and the words are those of the chatmail relay (chatmail spec 2.4). */
static enum cmd_result refuse(struct smtp_cmd *cmd, const char *text)
{
    metric_add(&malformed, 1);
    log_info("smtp.refused", "check=data");
    smtp_reply_put(cmd->out, 500, NULL, str_of(text));
    return CMD_CLOSE;
}

enum cmd_result cmd_data_too_big(struct smtp_cmd *cmd, enum cmd_result result)
{
    smtp_reply_put(cmd->out, 552, "5.3.4", S("Message exceeds maximum size"));
    return result;
}

void cmd_data_begin(struct session *s, bool chunked)
{
    uint64_t most = (uint64_t)s->ingress->options->max_message_size;
    struct transaction *t = s->mail;

    t->owner = s->account != 0 ? (uint64_t)s->account : s->client_key;
    t->sink = spool_append;
    t->sink_context = t->spool = spool_new(&s->port->spool, t->owner);
    if (s->port->watches_dkim) {
        t->sink = dkim_watch_append;
        t->sink_context = t->dkim = dkim_watch_new(t->arena, t->spool);
    }
    if (chunked)
        smtp_data_init_chunked(&t->data, most, MAX_LINE_BYTES);
    else
        smtp_data_init(&t->data, most, MAX_LINE_BYTES);
}

enum cmd_result cmd_data(struct smtp_cmd *cmd)
{
    const struct session *s = cmd->session;
    const struct transaction *t = s->mail;

    /* RCPT took along who does not exist: see check_recipient.c. */
    if (s->port->over_https && !s->ingress->accepts_unknown &&
        t->unknown_count == t->recipient_count) {
        smtp_reply_printf(cmd->out, 550, "5.1.1",
                          "<%.*s>: Recipient address rejected: User unknown",
                          STR_ARG(t->recipients[0]));
        return CMD_FAIL;
    }
    cmd_data_begin(cmd->session, false);
    smtp_reply_put(cmd->out, 354, NULL, S("End data with <CR><LF>.<CR><LF>"));
    return CMD_DONE;
}

enum cmd_result cmd_data_end(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    const struct smtp_data *d = &s->mail->data;

    if ((d->faults & (SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF)) != 0)
        return refuse(cmd, "Invalid DATA: bare CR or LF");
    if ((d->faults & SMTP_DATA_NUL) != 0)
        return refuse(cmd, "Invalid DATA: NUL byte");
    if ((d->faults & SMTP_DATA_TOO_BIG) != 0)
        return cmd_data_too_big(cmd, CMD_FAIL);
    if ((d->faults & SMTP_DATA_LONG_LINE) != 0) {
        smtp_reply_put(cmd->out, 500, "5.5.2", S("Line too long"));
        return CMD_FAIL;
    }
    if (s->port->is_judged)
        return judge_begin(cmd);
    return session_job(cmd, s->ingress->commands, accept_message);
}

enum cmd_result cmd_data_feed(struct smtp_cmd *cmd, struct buf *in)
{
    struct transaction *t = cmd->session->mail;
    struct smtp_data *d = &t->data;
    size_t used = 0;
    bool ended = smtp_data_feed(d, buf_str(in), &used, t->sink, t->sink_context);

    buf_consume(in, used);
    if (ended || (d->faults & CMD_DATA_MALFORMED) != 0)
        return cmd_data_end(cmd);
    /* Somebody who goes on and on is not waited for. */
    return d->bytes > 2 * d->max_bytes ? cmd_data_too_big(cmd, CMD_CLOSE) : CMD_LATER;
}

void cmd_data_register_metrics(void)
{
    metric_register(&malformed);
}
