/* check_require_mx_record.c - who sends mail can also be answered.
 *
 * The domain of MAIL FROM must have an MX record that names a host; a null MX (RFC 7505)
 * says that it takes no mail.  A domain with an address only does not do: the host of
 * forged senders often has one.  The null sender has no domain, and a sender at an
 * address (chatmail relays without a domain) has said where it is.  A DNS that does not
 * answer is a reason to try again, never to refuse.  The codes are those of RFC 7505 4.2
 * and RFC 3463 3.2.
 */
#include "checks.h"

#include "base/arena.h"
#include "judge.h"
#include "net/dns.h"
#include "net/dns_name.h"
#include "svc/options.h"
#include "transaction.h"

static void add_fact(struct check *c, enum auth_results_word result, const char *reason)
{
    struct transaction *t = c->mail;
    struct auth_results_fact fact = { .method = "x-return-mx",
                                      .result = result,
                                      .reason = str_of(reason),
                                      .properties = { { "smtp.mailfrom", t->sender } } };

    verdict_add(&t->verdict, t->arena, &fact);
}

static enum check_result pass(struct check *c, enum auth_results_word result,
                              const char *reason)
{
    add_fact(c, result, reason);
    return CHECK_PASS;
}

static const char *words(struct check *c, const char *reason)
{
    return arena_printf(c->mail->arena, "<%.*s>: %s", STR_ARG(c->mail->sender), reason);
}

static enum check_result object(struct check *c, const char *enhanced, const char *reason)
{
    add_fact(c, AUTH_RESULTS_FAIL, reason);
    return check_conclude(c, &c->ingress->options->require_mx_record, 550, enhanced,
                          words(c, reason));
}

static enum check_result later(struct check *c)
{
    static const char reason[] =
        "DNS does not say where its domain takes mail, try again later";
    const struct options *o = c->ingress->options;

    add_fact(c, AUTH_RESULTS_TEMPERROR, reason);
    return check_conclude_later(c, o->require_mx_record.action,
                                &o->require_mx_record_temporary, 451, "4.4.3",
                                words(c, reason));
}

static enum check_result ask(struct check *c)
{
    struct arena *a = c->mail->arena;
    struct address sender;
    str_t ascii;

    if (address_parse(c->mail->sender, ADDRESS_UTF8 | ADDRESS_FULL, &sender) != RC_OK)
        return pass(c, AUTH_RESULTS_NONE, "There is no sender");
    if (sender.domain.p[0] == '[')
        return pass(c, AUTH_RESULTS_NONE, "The sender is at an address");
    if (dns_name_to_ascii(a, sender.domain, &ascii) != RC_OK)
        return object(c, "5.1.8", "Domain is no name of the DNS");
    *c->state = judge_ask(c->judgement, ascii, DNS_MX);
    return CHECK_WAIT;
}

enum check_result check_require_mx_record(struct check *c)
{
    struct dns_mx mx;

    if (*c->state == NULL)
        return ask(c);
    switch (dns_answer_mx(*c->state, c->mail->arena, &mx)) {
    case RC_OK:
        if (mx.null_mx)
            return object(c, "5.7.27", "Domain has a null MX record");
        if (mx.implicit)
            return object(c, "5.1.8", "Domain has no MX record");
        return pass(c, AUTH_RESULTS_PASS, NULL);
    case RC_NOT_FOUND:
        return object(c, "5.1.8", "Domain does not exist");
    case RC_INVALID:
        return object(c, "5.1.8", "Domain is no name of the DNS");
    default:
        return later(c);
    }
}
