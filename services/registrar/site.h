/* site.h - what the configuration says about this server to the people who use it.
 *
 * Everything that pages, links and answers tell about names, ports and figures comes
 * from here, never from what a client sent (a Host header names whatever its sender
 * likes).  Immutable once made.  Thread: any.
 */
#pragma once

#include "account/rules.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct options;

struct site {
    const struct options *options;
    struct rules rules;
    str_t mail_domain; /* as in addresses: "chat.example" or "[192.0.2.1]" */
    str_t host;        /* where clients connect: a name or an address without brackets */
    /* What autoconfiguration names: who reads it has found us by the domain's name and
     * cannot verify an address, so it is mail_domain where host is only an address. */
    str_t autoconfig_host;
    /* "https://host" with the port unless it is 443; no slash at the end */
    str_t base_url;
    /* Clients can verify the certificate.  They cannot when it is self-signed, when the
     * domain begins with `_`, or when they are sent to an address instead of a name. */
    bool is_trusted;
    /* Chatmail servers elsewhere accept messages from here.  They demand a signature
     * (DKIM), and there is none yet, of all that are not of a mere address. */
    bool reaches_others;
    bool has_own_host;       /* host is not what mail_domain says */
    bool has_standard_mail;  /* 993, 143, 465 and 587 */
    bool has_standard_https; /* 443 */
};

/* Options and arena outlive the site.  self_signed: what is served to clients. */
void site_init(struct site *s, struct arena *a, const struct options *o,
               bool self_signed);

enum site_registration {
    SITE_OPEN,
    SITE_CLOSED,     /* by the operator */
    SITE_OVERLOADED, /* come back later */
};

/* May new people come right now? */
enum site_registration site_registration(const struct site *s);

/* "500 MB", "31 MB", "1.5 GB": decimal, rounded to two digits or whole units. */
char *site_size_text(struct arena *a, int64_t bytes);
