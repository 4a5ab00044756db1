/* invite.h - the text of the invitation that Delta Chat understands.
 *
 * Thread: any; pure.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct arena;
struct credentials;
struct site;

enum invite_kind {
    /* DCACCOUNT:https://host/new - asks this server for an account; every client that
     * was ever printed a code for understands it. */
    INVITE_HTTP,
    /* dcaccount:domain - the client draws name and password itself; needs no HTTPS. */
    INVITE_DOMAIN,
    /* dclogin:... - one fresh account with host, ports and certificate rule in the code:
     * for all set-ups that a client could not find or verify by itself. */
    INVITE_LOGIN,
};

enum invite_kind invite_kind(const struct site *s);

/* The same text for everybody, or (INVITE_LOGIN) one that makes these credentials an
 * account.  c may be NULL for the other kinds. */
str_t invite_text(const struct site *s, struct arena *a, const struct credentials *c);

/* The dclogin: text, whatever kind the site's invitation is. */
str_t invite_login_text(const struct site *s, struct arena *a,
                        const struct credentials *c);
