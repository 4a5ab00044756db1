/* check_forged_results.c - nobody else says what we have found out.
 *
 * Who is asked next (rspamd, a command, a milter) believes fields of
 * Authentication-Results that have our name; those that came with a message are forged,
 * and go before (RFC 8601 5).  In mailboxes there are none of others at all
 * (mail/scrub.h).  It refuses nothing but what there is no room for.
 */
#include "checks.h"

#include "base/log.h"
#include "ingress.h"
#include "mail/auth_results.h"
#include "mail/header.h"
#include "mail/message_edit.h"
#include "message_change.h"
#include "transaction.h"

enum { ONE_BY_ONE_MAX = 100 };

static const str_t name = STR("Authentication-Results");

/* From the first field on; *nth is which one of that name it is, not counting those that
 * came here before. */
static bool next_claim(struct check *c, struct header_iter *it, size_t *nth)
{
    struct header_field field;

    while (header_next(it, &field)) {
        if (!str_eq_nocase(field.name, name))
            continue;
        if (auth_results_claims(c->mail->arena, field.value, c->ingress->host))
            return true;
        (*nth)++;
    }
    return false;
}

static size_t count_claims(struct check *c)
{
    struct header_iter it;
    size_t nth = 1, count = 0;

    header_init(&it, c->message);
    while (next_claim(c, &it, &nth))
        count++;
    return count;
}

enum check_result check_forged_results(struct check *c)
{
    size_t count = count_claims(c), nth = 1;
    struct message_edit *e;
    struct header_iter it;
    enum rc rc = RC_OK;

    if (count == 0)
        return CHECK_PASS;
    e = message_edit_new(c->mail->arena, c->message);
    CHECK(e != NULL); /* the author was read in it */
    header_init(&it, c->message);
    /* So many are no loss, whoever the others are by. */
    if (count > ONE_BY_ONE_MAX)
        rc = message_edit_remove(e, name);
    while (count <= ONE_BY_ONE_MAX && rc == RC_OK && next_claim(c, &it, &nth))
        rc = message_edit_change(e, nth, name, S(""));
    CHECK(rc == RC_OK);
    return message_change_apply(c, e);
}
