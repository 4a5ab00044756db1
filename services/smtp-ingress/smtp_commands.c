/* smtp_commands.c - everything that a command's row can say is enforced here. */
#include "smtp_commands.h"

#include "ingress.h"
#include "smtp/smtp_reply.h"

static const struct smtp_commands_row rows[] = {
#define SMTP_CMD(verb, handler, event, ports, flags, keyword)                            \
    { STR(verb), handler, event, ports, flags, keyword },
#include "smtp_commands.def"
#undef SMTP_CMD
};

static struct metric uses[] = {
#define SMTP_CMD(verb, handler, event, ports, flags, keyword)                            \
    { .kind = METRIC_COUNTER,                                                            \
      .name = "postbus_smtp_commands",                                                   \
      .labels = "command=\"" verb "\"",                                                  \
      .help = "SMTP commands that were allowed to run." },
#include "smtp_commands.def"
#undef SMTP_CMD
};

static const char *sequence_text(enum smtp_event event)
{
    switch (event) {
    case EV_MAIL:
        return "Bad sequence of commands: EHLO first, one MAIL at a time";
    case EV_RCPT:
        return "Bad sequence of commands: need MAIL";
    case EV_DATA:
    case EV_BDAT:
        return "Bad sequence of commands: need RCPT";
    case EV_AUTH:
        return "Bad sequence of commands: AUTH comes after EHLO and before MAIL";
    case EV_TLS:
        return "Bad sequence of commands: STARTTLS comes before MAIL";
    default:
        return "Bad sequence of commands";
    }
}

static bool refuse(struct buf *out, int code, const char *enhanced, const char *text)
{
    smtp_reply_put(out, code, enhanced, str_of(text));
    return false;
}

/* The operator vouches for the way to an LMTP client, and may have other servers come in
 * the clear, too; check_require_tls looks at those.  Accounts do only with insecure_auth.
 */
static bool may_be_clear(const struct session *s, const struct smtp_commands_row *row)
{
    if (s->tls || (row->flags & SMTP_CLEAR) != 0 || s->port->clear)
        return true;
    return s->port->kind == PORT_MX &&
           s->ingress->options->require_tls.action != POLICY_REJECT;
}

/* RFC 3207 4, or what the operator has other servers told. */
static bool refuse_clear(const struct session *s, struct buf *out)
{
    const struct policy *p = &s->ingress->options->require_tls;
    bool own = s->port->kind == PORT_MX && p->code != 0;
    const char *text = s->port->kind == PORT_MX ? p->text : NULL;

    return refuse(out, own ? p->code : 530, own ? p->enhanced : "5.7.0",
                  text != NULL ? text : "Must issue a STARTTLS command first");
}

size_t smtp_commands_count(void)
{
    return ARRAY_LEN(rows);
}

const struct smtp_commands_row *smtp_commands_at(size_t i)
{
    return &rows[i];
}

const struct smtp_commands_row *smtp_commands_find(str_t verb)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq_nocase(rows[i].verb, verb))
            return &rows[i];
    return NULL;
}

bool smtp_commands_allowed(const struct session *s, const struct smtp_commands_row *row,
                           str_t rest, struct buf *out)
{
    if ((row->ports & s->port->kind) == 0)
        return refuse(out, 502, "5.5.1", "Command not available on this port");
    if (!may_be_clear(s, row))
        return refuse_clear(s, out);
    if ((row->flags & SMTP_LOGIN) != 0 && s->port->kind == PORT_SUBMISSION &&
        s->account == 0)
        return refuse(out, 530, "5.7.0", "Authentication required");
    if ((row->flags & SMTP_BARE) != 0 && rest.n > 0)
        return refuse(out, 501, "5.5.4", "Command takes no argument");
    if (smtp_states_next(s->state, row->event) == ST_BAD)
        return refuse(out, 503, "5.5.1", sequence_text(row->event));
    metric_add(&uses[row - rows], 1);
    return true;
}

bool smtp_commands_offered(const struct session *s, const struct smtp_commands_row *row)
{
    if ((row->ports & s->port->kind) == 0)
        return false;
    if (row->event == EV_TLS)
        return !s->tls && s->port->tls != NULL;
    if (row->event == EV_AUTH)
        return may_be_clear(s, row) && s->account == 0;
    return may_be_clear(s, row);
}

void smtp_commands_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(uses); i++)
        metric_register(&uses[i]);
}
