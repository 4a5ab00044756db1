/* mx.c - which hosts take a domain's mail, in which order. */
#include "mx.h"

#include "base/arena.h"
#include "mail/address.h"
#include "mail/domains.h"
#include "net/dns_name.h"

static enum rc refuse(struct mail_hosts_refusal *why, int code, const char *status,
                      const char *text)
{
    *why = (struct mail_hosts_refusal){ .code = code,
                                        .status = str_of(status),
                                        .text = str_of(text) };
    return RC_DENIED;
}

static bool is_ourselves(const struct mx_finder *f, str_t host)
{
    return str_eq_nocase(host, f->hostname) || is_ours(f->domains, host);
}

/* RFC 5321 5.1: if we are among the hosts, only those with a better preference may be
 * tried, or the mail would go in circles. */
static size_t without_loop(const struct mx_finder *f, const struct dns_mx *answer)
{
    uint32_t limit = UINT32_MAX;
    size_t n = 0;

    for (size_t i = 0; i < answer->count; i++)
        if (is_ourselves(f, answer->host[i].name) && answer->host[i].preference < limit)
            limit = answer->host[i].preference;
    while (n < answer->count && answer->host[n].preference < limit)
        n++;
    return n;
}

enum rc mx_select(struct arena *a, const struct mx_finder *f, str_t domain,
                  const struct dns_mx *answer, struct mail_hosts *out,
                  struct mail_hosts_refusal *why)
{
    size_t n = without_loop(f, answer);

    if (answer->null_mx)
        return refuse(why, 556, "5.1.10",
                      "556 5.1.10 Permanent failure: Recipient address has null MX");
    if (answer->count == 0)
        return refuse(
            why, 451, "4.4.3",
            arena_printf(a, "451 4.4.3 No mail host known for %.*s", STR_ARG(domain)));
    if (n == 0)
        return refuse(why, 554, "5.4.6",
                      arena_printf(a, "554 5.4.6 Mail for %.*s loops back to this server",
                                   STR_ARG(domain)));
    out->count = n < MAIL_HOSTS_MAX ? n : MAIL_HOSTS_MAX;
    out->host = arena_array(a, out->count, sizeof(*out->host));
    for (size_t i = 0; i < out->count; i++)
        out->host[i] =
            (struct mail_host){ .name = answer->host[i].name, .port = f->port };
    return RC_OK;
}

static void single(struct arena *a, struct mail_hosts *out, struct mail_host host)
{
    out->host = arena_copy(a, &host, sizeof(host));
    out->count = 1;
}

/* "[192.0.2.1]" and "[IPv6:2001:db8::1]" without what is around the address. */
static str_t literal_address(str_t domain)
{
    str_t inside = str_n(domain.p + 1, domain.n - 2);

    return str_starts_nocase(inside, S("IPv6:")) ? str_skip(inside, 5) : inside;
}

static enum rc ask_dns(struct arena *a, const struct mx_finder *f, str_t domain,
                       struct deadline until, struct mail_hosts *out,
                       struct mail_hosts_refusal *why)
{
    struct dns_mx answer = { 0 };
    str_t ascii;
    enum rc rc = dns_name_to_ascii(a, domain, &ascii);

    if (rc == RC_OK)
        rc = dns_mx(f->dns, a, ascii, until, &answer);
    switch (rc) {
    case RC_OK:
        return mx_select(a, f, domain, &answer, out, why);
    case RC_NOT_FOUND:
        return refuse(
            why, 512, "5.1.2",
            arena_printf(a, "512 5.1.2 Domain %.*s does not exist", STR_ARG(domain)));
    case RC_INVALID:
        return refuse(
            why, 501, "5.1.2",
            arena_printf(a, "501 5.1.2 %.*s is not a domain name", STR_ARG(domain)));
    default:
        (void)refuse(why, 421, "4.4.3",
                     arena_printf(a, "421 4.4.3 DNS resolution failed for %.*s%s",
                                  STR_ARG(domain),
                                  answer.status.bogus ? ": bogus signatures" : ""));
        why->timed_out = rc == RC_TIMEOUT;
        return RC_DENIED;
    }
}

enum rc mx_find(struct arena *a, const struct mx_finder *f, str_t domain,
                struct deadline until, struct mail_hosts *out,
                struct mail_hosts_refusal *why)
{
    *out = (struct mail_hosts){ 0 };
    if (address_is_ip_literal(domain)) {
        single(a, out, (struct mail_host){ literal_address(domain), f->port, false });
        return RC_OK;
    }
    return ask_dns(a, f, domain, until, out, why);
}
