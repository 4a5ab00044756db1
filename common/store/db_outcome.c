/* db_outcome.c - SQLSTATE to enum rc, the longest prefix first.
 *
 * Whatever can be cured by waiting is RC_RETRY: no client may get a permanent error for
 * a temporary cause.  PostgreSQL's manual, appendix A.
 */
#include "store/db_outcome.h"

#include "base/str.h"

static const struct {
    str_t prefix;
    enum rc rc;
} outcomes[] = {
    { STR("23505"), RC_EXISTS },  /* unique_violation */
    { STR("57014"), RC_TIMEOUT }, /* query_canceled: statement_timeout */
    { STR("55P03"), RC_RETRY },   /* lock_not_available */
    { STR("25006"), RC_RETRY },   /* a standby: the primary is elsewhere now */
    { STR("25P03"), RC_RETRY },   /* idle in transaction for too long */
    { STR("08"), RC_RETRY },      /* connection */
    { STR("40"), RC_RETRY },      /* serialisation, deadlock */
    { STR("53"), RC_RETRY },      /* resources: disk, memory, connections */
    { STR("57"), RC_RETRY },      /* the server stops or starts */
    { STR("58"), RC_RETRY },      /* the server's disk */
    { STR("PB002"), RC_DENIED },  /* ours: a migration says why it cannot be */
    { STR("22"), RC_INVALID },    /* data: text that is not UTF-8, say */
    { STR("23"), RC_INVALID },    /* other constraints */
};

bool db_outcome_find(const char *sqlstate, enum rc *out)
{
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
        if (str_starts(str_of(sqlstate), outcomes[i].prefix)) {
            *out = outcomes[i].rc;
            return true;
        }
    return false;
}
