/* check_require_tls.c - mail that came in the clear, where that is not refused at once.
 *
 * By default nobody gets that far (smtp_commands.c).  The operator vouches for the way to
 * an LMTP client.
 */
#include "checks.h"

#include "svc/options.h"
#include "transaction.h"

enum check_result check_require_tls(struct check *c)
{
    struct auth_results_fact fact = { .method = "x-tls",
                                      .result = AUTH_RESULTS_FAIL,
                                      .reason = S("It came in the clear") };

    if (!c->in_clear)
        return CHECK_PASS;
    verdict_add(&c->mail->verdict, c->mail->arena, &fact);
    return check_conclude(c, &c->ingress->options->require_tls, 530, "5.7.0",
                          "Must issue a STARTTLS command first");
}
