/* cmd_rcpt.c - RCPT TO.  RFC 5321 4.1.1.3.
 *
 * Of an account everything is taken that the grammar calls a mailbox: Delta Chat gives a
 * message up for all when one recipient is refused, so whoever does not exist or cannot
 * be reached bounces later.  A foreign server's recipients have our strict form and are
 * looked up, which takes a worker.
 */
#include "base/arena.h"
#include "base/log.h"
#include "checks.h"
#include "ingress.h"
#include "mail/domains.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "smtp_params.h"
#include "transaction.h"

static enum cmd_result add(struct session *s, str_t address,
                           const struct transaction_recipient *about, struct buf *out)
{
    *transaction_add_recipient(s->mail, address) = *about;
    smtp_reply_put(out, 250, "2.1.5", S("Ok"));
    return CMD_DONE;
}

static enum cmd_result look_up(struct session *s, struct worker *w, struct buf *out)
{
    struct transaction *t = s->mail;
    bool all = t->clear_text, passes;
    struct check c = checks_of(s, out);

    c.db = w->context;
    c.about = t->pending;
    /* Parsed before, and kept: see cmd_rcpt. */
    CHECK(address_parse(t->pending_recipient, ADDRESS_UTF8, &c.recipient) == RC_OK);
    t->clear_text = true;
    passes = checks_run(&c, CHECKS_RECIPIENT, CHECKS_WORKER) == CHECK_PASS;
    c.about.takes_clear_text = t->clear_text;
    t->clear_text = all && (t->clear_text || !passes);
    if (!passes)
        return CMD_FAIL;
    t->target_count += c.about.target_count;
    return add(s, c.recipient.text, &c.about, out);
}

static bool take_address(struct smtp_cmd *cmd, const struct smtp_command_path *path,
                         struct address *out)
{
    struct transaction *t = cmd->session->mail;
    str_t domain = domains_first(cmd->session->ingress->route.domains);

    if (!path->is_postmaster) {
        *out = path->address;
        return !path->is_null;
    }
    return address_parse(
               str_of(arena_printf(t->arena, "postmaster@%.*s", STR_ARG(domain))), 0,
               out) == RC_OK;
}

/* An account may forget SMTPUTF8: what is stored tells by itself that it is needed. */
static unsigned grammar(const struct session *s)
{
    if (s->port->kind == PORT_SUBMISSION)
        return ADDRESS_UTF8 | ADDRESS_FULL;
    return s->mail->utf8 ? ADDRESS_UTF8 : 0;
}

/* The envelope has room for what so many recipients usually bring; beyond, the client
 * sends the others with another copy, as when they are too many.  Who is refused later
 * has counted, too. */
static bool fits(struct transaction *t, str_t address,
                 const struct transaction_recipient *about, struct buf *out)
{
    const struct envelope_recipient r = { address, about->notify, about->orcpt };
    size_t bytes;

    if (about->notify == 0 && about->orcpt.n == 0)
        return true;
    bytes = envelope_recipient_bytes(t->arena, &r);
    if (t->envelope_bytes + bytes > ENVELOPE_RECIPIENTS_BYTES) {
        smtp_reply_put(out, 452, "4.5.3", S("Too many recipients with parameters"));
        return false;
    }
    t->envelope_bytes += bytes;
    return true;
}

enum cmd_result cmd_rcpt(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    struct smtp_command_path path;
    struct transaction_recipient about = { .takes_clear_text = false };
    struct check c = checks_of(s, cmd->out);
    enum rc rc = smtp_command_path_parse(cmd->rest, "TO", grammar(s), &path);

    if (rc != RC_OK && !path.bad_address) {
        smtp_reply_put(cmd->out, 501, "5.5.4", S("Syntax: RCPT TO:<address>"));
        return CMD_FAIL;
    }
    if (rc != RC_OK || !take_address(cmd, &path, &c.recipient)) {
        smtp_reply_put(cmd->out, 501, "5.1.3", S("Bad recipient address syntax"));
        return CMD_FAIL;
    }
    if (!smtp_params_rcpt(&path, s->tls, s->mail, &about, cmd->out) ||
        checks_run(&c, CHECKS_RECIPIENT, CHECKS_LOOP) != CHECK_PASS ||
        !fits(s->mail, c.recipient.text, &about, cmd->out))
        return CMD_FAIL;
    if (s->port->kind == PORT_SUBMISSION)
        return add(s, c.recipient.text, &about, cmd->out);
    s->mail->pending_recipient = arena_str(s->mail->arena, c.recipient.text);
    s->mail->pending = about;
    return session_job(cmd, s->ingress->commands, look_up);
}
