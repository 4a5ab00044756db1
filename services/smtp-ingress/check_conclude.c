/* check_conclude.c - no check of its own: what each that has a policy ends with. */
#include "checks.h"

#include "base/log.h"
#include "base/metric.h"
#include "smtp/smtp_reply.h"
#include "svc/policy.h"
#include "transaction.h"

static struct metric quarantined[] = {
#define CHECK_ROW(id, phase, place, directions, when)                                    \
    { .kind = METRIC_COUNTER,                                                            \
      .name = "postbus_smtp_quarantined",                                                \
      .labels = "check=\"" #id "\"",                                                     \
      .help = "Messages that a check had put into Junk." },
#include "checks.def"
#undef CHECK_ROW
};

enum check_result check_conclude(struct check *c, const struct policy *p, int code,
                                 const char *enhanced, const char *text)
{
    struct policy reply = policy_reply(c->mail->arena, p, code, enhanced, text);

    if (p->action == POLICY_REJECT) {
        smtp_reply_put(c->out, reply.code, reply.enhanced, str_of(reply.text));
        return CHECK_REFUSE;
    }
    log_info("smtp.objected", "check=%s policy=%s", c->row_name,
             policy_action_name(p->action));
    if (p->action == POLICY_QUARANTINE) {
        c->mail->quarantine = true;
        metric_add(&quarantined[c->row], 1);
    }
    return CHECK_PASS;
}

enum check_result check_conclude_later(struct check *c, enum policy_action worst,
                                       const struct policy *p, int code,
                                       const char *enhanced, const char *text)
{
    static const struct policy ignore = { .action = POLICY_IGNORE };

    return check_conclude(c, worst <= POLICY_IGNORE ? &ignore : p, code, enhanced, text);
}

void check_conclude_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(quarantined); i++)
        metric_register(&quarantined[i]);
}
