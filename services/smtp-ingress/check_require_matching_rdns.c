/* check_require_matching_rdns.c - a host greets by a name that is its own in both
 * directions of the DNS.
 *
 * What greets by its own address (a chatmail relay without a domain) has named itself as
 * well as it can, and nothing is asked; nor of a private address, which has no names
 * that others could know.  The code is that of RFC 7372 3.3.
 */
#include "checks.h"

#include "base/arena.h"
#include "judge.h"
#include "mail/dns_table.h"
#include "mail/rdns.h"
#include "net/cidr.h"
#include "svc/options.h"
#include "transaction.h"

#include <string.h>

static void add_fact(struct check *c, enum auth_results_word result, const char *reason)
{
    struct transaction *t = c->mail;
    const struct judge_client *client = judge_client(c->judgement);
    char *ip = arena_alloc(t->arena, ADDR_TEXT_BYTES);
    struct auth_results_fact fact = {
        .method = "iprev",
        .result = result,
        .reason = str_of(reason),
        .properties = { { "policy.iprev", str_of(addr_text(&client->address, ip)) },
                        { "smtp.helo", client->hello } }
    };

    verdict_add(&t->verdict, t->arena, &fact);
}

static enum check_result pass(struct check *c, enum auth_results_word result,
                              const char *reason)
{
    add_fact(c, result, reason);
    return CHECK_PASS;
}

static enum check_result object(struct check *c, const char *reason)
{
    add_fact(c, AUTH_RESULTS_FAIL, reason);
    return check_conclude(c, &c->ingress->options->require_matching_rdns, 550, "5.7.25",
                          arena_printf(c->mail->arena, "<%.*s>: %s",
                                       STR_ARG(judge_client(c->judgement)->hello),
                                       reason));
}

static enum check_result later(struct check *c)
{
    const struct options *o = c->ingress->options;

    add_fact(c, AUTH_RESULTS_TEMPERROR, "DNS does not say the client's name");
    return check_conclude_later(c, o->require_matching_rdns.action,
                                &o->require_matching_rdns_temporary, 451, "4.7.25",
                                "DNS does not say your host's name now, try again later");
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool is_literal_of(str_t hello, const struct addr *address)
{
    str_t text = str_n(hello.p + 1, hello.n - 2);
    struct addr named;

    if (str_eq_nocase(str_head(text, 5), S("IPv6:")))
        text = str_skip(text, 5);
    return addr_parse(text, &named) == RC_OK && named.family == address->family &&
           memcmp(named.ip, address->ip, sizeof(named.ip)) == 0;
}

enum check_result check_require_matching_rdns(struct check *c)
{
    const struct judge_client *client = judge_client(c->judgement);
    const struct addr *address = &client->address;

    if (client->passes_on)
        return pass(c, AUTH_RESULTS_NONE, "The client passes on for others");
    if (address->family == 0 || cidr_is_private(address))
        return pass(c, AUTH_RESULTS_NONE, "The client has a private address");
    if (address_is_ip_literal(client->hello))
        return is_literal_of(client->hello, address)
                   ? pass(c, AUTH_RESULTS_NONE, "The client greets by its address")
                   : object(c, "That is not the address of your host");
    switch (rdns_check(c->mail->arena, judge_table(c->judgement), address->ip,
                       address->family == 4 ? 4 : 16, client->hello)) {
    case RDNS_WAIT:
        judge_ask_table(c->judgement);
        return CHECK_WAIT;
    case RDNS_PASS:
        return pass(c, AUTH_RESULTS_PASS, NULL);
    case RDNS_NO_NAME:
        return object(c, "The address of your host has no name");
    case RDNS_OTHER_NAME:
        return object(c, "The address of your host has another name");
    case RDNS_NOT_CONFIRMED:
        return object(c, "That name has other addresses than your host");
    default:
        return later(c);
    }
}
