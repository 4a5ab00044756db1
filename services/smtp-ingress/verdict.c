/* verdict.c - what the checks found out about a message. */
#include "verdict.h"

#include "base/arena.h"
#include "base/log.h"

void verdict_add(struct verdict *v, struct arena *a, const struct verdict_fact *fact)
{
    struct verdict_fact *f = arena_copy(a, fact, sizeof(*fact));

    f->next = NULL;
    if (v->first == NULL)
        v->first = f;
    else
        v->last->next = f;
    v->last = f;
    log_debug("smtp.verdict", "method=%s result=%s", f->method,
              verdict_result_name(f->result));
}

const char *verdict_result_name(enum verdict_result r)
{
    static const char *const names[VERDICT_RESULTS] = {
        [VERDICT_NONE] = "none",           [VERDICT_PASS] = "pass",
        [VERDICT_FAIL] = "fail",           [VERDICT_NEUTRAL] = "neutral",
        [VERDICT_POLICY] = "policy",       [VERDICT_TEMPERROR] = "temperror",
        [VERDICT_PERMERROR] = "permerror",
    };

    CHECK(r < VERDICT_RESULTS);
    return names[r];
}
