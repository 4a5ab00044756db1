/* rc.c - the one table that turns an outcome into each protocol's words. */
#include "base/rc.h"

#include "base/log.h"

static const struct rc_info table[RC_COUNT] = {
    [RC_OK] = { "ok", false, 250, "2.0.0", "ok", "", "done", 200 },
    [RC_NOT_FOUND] = { "not_found", false, 550, "5.1.1", "no such recipient",
                       "NONEXISTENT", "no such mailbox or message", 404 },
    [RC_EXISTS] = { "exists", false, 550, "5.7.1", "exists already", "ALREADYEXISTS",
                    "exists already", 409 },
    [RC_DENIED] = { "denied", false, 554, "5.7.1", "not permitted", "NOPERM",
                    "not permitted", 403 },
    [RC_INVALID] = { "invalid", false, 501, "5.5.4", "malformed request", "CLIENTBUG",
                     "malformed request", 400 },
    [RC_LIMIT] = { "limit", false, 552, "5.2.2", "limit exceeded", "LIMIT",
                   "limit exceeded", 413 },
    [RC_CONFLICT] = { "conflict", true, 451, "4.5.0",
                      "changed by somebody else, try again", "INUSE",
                      "changed by somebody else, try again", 409 },
    [RC_RETRY] = { "retry", true, 451, "4.3.0", "temporary failure, try again later",
                   "UNAVAILABLE", "temporary failure, try again later", 503 },
    [RC_TIMEOUT] = { "timeout", true, 451, "4.4.2", "timed out, try again later",
                     "UNAVAILABLE", "timed out, try again later", 503 },
    [RC_CLOSED] = { "closed", true, 421, "4.3.2", "service is going away, try again",
                    "UNAVAILABLE", "service is going away, try again", 503 },
};

const struct rc_info *rc_info(enum rc rc)
{
    CHECK(rc >= RC_OK && rc < RC_COUNT);
    return &table[rc];
}

const char *rc_name(enum rc rc)
{
    return rc_info(rc)->name;
}
