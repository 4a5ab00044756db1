/* check_arc.c - what the hosts before claim to have found out (ARC) stands in the
 * verdict.
 *
 * For reports alone: the seals are not verified, so it is never more than `neutral`, and
 * nothing follows from it.  RFC 8617.
 */
#include "checks.h"

#include "base/arena.h"
#include "mail/arc.h"
#include "transaction.h"

enum check_result check_arc(struct check *c)
{
    struct arena *a = c->mail->arena;
    struct arc arc = arc_read(a, c->message);
    struct auth_results_fact fact = { .method = "arc", .result = AUTH_RESULTS_NEUTRAL };

    if (arc.state == ARC_NONE)
        return CHECK_PASS;
    if (arc.state == ARC_BROKEN)
        fact.reason = S("no whole chain");
    else
        fact.reason = str_of(arena_printf(a, "cv=%s in the last of %u sets, not verified",
                                          arc_state_name(arc.state), arc.sets));
    verdict_add(&c->mail->verdict, a, &fact);
    return CHECK_PASS;
}
