/* smtp_carry.c - what the transports that speak SMTP share. */
#include "smtp_carry.h"

#include "cargo.h"
#include "desk.h"

static void show(struct transport_line *line)
{
    line->broken = line->smtp.broken;
    line->takes_no_mail = line->smtp.takes_no_mail;
    line->lacks_requiretls = line->smtp.lacks_requiretls;
    line->failure = line->smtp.failure;
}

enum rc smtp_carry_open(struct transport_line *line, const struct desk *desk,
                        const struct tls_policy *policy, struct stream *stream,
                        struct deadline until)
{
    struct smtp_client_setup setup = {
        .helo = desk->helo,
        .command_ms = desk->command_ms,
        .policy = *policy,
        .tls = desk->tls,
    };
    enum rc rc = smtp_client_open(&line->smtp, stream, &setup, until);

    show(line);
    return rc;
}

/* The message and its end.  After an error the connection is unusable: the host must
 * never see the end of half a message. */
static enum transport_sent send_message(struct transport_line *line, struct cargo *cargo)
{
    str_t piece;
    enum rc rc;

    while ((rc = cargo_next(cargo, &piece)) == RC_OK && piece.n > 0)
        if (smtp_client_data(&line->smtp, cargo->arena, piece) != RC_OK)
            return TRANSPORT_BROKEN;
    return rc == RC_OK ? cargo_make_sure(cargo) : cargo_failure(rc);
}

static enum transport_sent transact(struct transport_line *line, struct arena *a,
                                    struct cargo *cargo, struct smtp_client_mail *m)
{
    enum transport_sent sent;
    enum rc rc = cargo_begin(cargo); /* before the host is bothered */

    if (rc != RC_OK)
        return cargo_failure(rc);
    if (smtp_client_envelope(&line->smtp, a, m) != RC_OK)
        return TRANSPORT_BROKEN;
    if (m->accepted == 0)
        return TRANSPORT_OK;
    sent = send_message(line, cargo);
    if (sent != TRANSPORT_OK) {
        line->smtp.broken = true;
        return sent;
    }
    return smtp_client_end(&line->smtp, a, m) == RC_OK ? TRANSPORT_OK : TRANSPORT_UNKNOWN;
}

enum transport_sent smtp_carry_send(struct transport_line *line, struct arena *a,
                                    struct cargo *cargo, struct smtp_client_mail *m)
{
    enum transport_sent sent = transact(line, a, cargo, m);

    show(line);
    return sent;
}

void smtp_carry_close(struct transport_line *line)
{
    smtp_client_close(&line->smtp);
}
