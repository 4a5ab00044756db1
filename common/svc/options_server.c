/* options_server.c - what the options call this server, and which domains are its own. */
#include "svc/options.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/domains.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum rc options_parse_domains(const struct options *o, struct arena *a,
                              struct domains *out, char *why, size_t room)
{
    return domains_parse(a, str_of(o->mail_domain), str_of(o->more_mail_domains),
                         str_of(o->mail_domain_aliases), out, why, room);
}

const struct domains *options_domains(const struct options *o)
{
    static struct arena *forever;
    char why[OPTIONS_ERROR_BYTES];
    struct domains *d;

    if (forever == NULL)
        forever = arena_new();
    d = arena_alloc(forever, sizeof(*d));
    /* They were looked at when they were loaded. */
    CHECK(options_parse_domains(o, forever, d, why, sizeof(why)) == RC_OK);
    return d;
}

bool options_is_ip_only(const struct options *o)
{
    return o->mail_domain[0] == '[';
}

bool options_is_uncertified(const struct options *o)
{
    return o->mail_domain[0] == '_' || options_is_ip_only(o);
}

void options_smtp_name(const struct options *o, char out[OPTIONS_NAME_BYTES])
{
    struct in6_addr address;
    const char *host = o->public_host[0] != '\0' ? o->public_host : o->mail_domain;
    bool six = inet_pton(AF_INET6, host, &address) == 1;
    bool four = inet_pton(AF_INET, host, &address) == 1;

    snprintf(out, OPTIONS_NAME_BYTES, six ? "[IPv6:%s]" : four ? "[%s]" : "%s", host);
}

const char *options_public_host(const struct options *o)
{
    static _Thread_local char address[64];

    if (o->public_host[0] != '\0')
        return o->public_host;
    if (str_ends_nocase(str_of(o->mail_domain), S(".localhost")))
        return "127.0.0.1";
    if (!options_is_ip_only(o))
        return o->mail_domain;
    snprintf(address, sizeof(address), "%.*s", (int)strlen(o->mail_domain) - 2,
             o->mail_domain + 1);
    return address;
}
