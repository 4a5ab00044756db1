/* dkim_outcome.c - the rows as tables. */
#include "mail/dkim_outcome.h"

#include "base/log.h"

static const enum dkim_result results[DKIM_OUTCOME_COUNT] = {
#define DKIM_OUTCOME(name, result, text) [DKIM_OUTCOME_##name] = DKIM_RESULT_##result,
#include "mail/dkim_outcomes.def"
#undef DKIM_OUTCOME
};

static const char *const texts[DKIM_OUTCOME_COUNT] = {
#define DKIM_OUTCOME(name, result, text) [DKIM_OUTCOME_##name] = text,
#include "mail/dkim_outcomes.def"
#undef DKIM_OUTCOME
};

static const char *const words[DKIM_RESULT_COUNT] = {
    [DKIM_RESULT_PASS] = "pass",           [DKIM_RESULT_FAIL] = "fail",
    [DKIM_RESULT_POLICY] = "policy",       [DKIM_RESULT_NEUTRAL] = "neutral",
    [DKIM_RESULT_TEMPERROR] = "temperror", [DKIM_RESULT_PERMERROR] = "permerror",
};

enum dkim_result dkim_outcome_result(enum dkim_outcome outcome)
{
    CHECK(outcome >= 0 && outcome < DKIM_OUTCOME_COUNT);
    return results[outcome];
}

const char *dkim_outcome_word(enum dkim_outcome outcome)
{
    return words[dkim_outcome_result(outcome)];
}

const char *dkim_outcome_text(enum dkim_outcome outcome)
{
    CHECK(outcome >= 0 && outcome < DKIM_OUTCOME_COUNT);
    return texts[outcome];
}
