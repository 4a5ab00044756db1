/* pattern.c - regular expressions of an operator, held against what strangers wrote. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/pattern.h"

#include "base/log.h"
#include "base/mem.h"

#include <pcre2.h>
#include <stdio.h>

enum { HEAP_KIB = 256 };

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

enum rc pattern_new(str_t text, struct pattern **out, char *why, size_t room)
{
    const uint32_t how = PCRE2_CASELESS | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                         PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C;
    unsigned char reason[100];
    struct pattern *p;
    PCRE2_SIZE at;
    int e;

    *out = NULL;
    if (text.n == 0 || text.n > PATTERN_MAX_BYTES) {
        snprintf(why, room, "an expression has 1 to %d bytes", PATTERN_MAX_BYTES);
        return RC_INVALID;
    }
    p = mem_alloc(sizeof(*p));
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, how, &e, &at, NULL);
    if (p->code == NULL) {
        pcre2_get_error_message(e, reason, sizeof(reason));
        snprintf(why, room, "%s, at byte %zu", (const char *)reason, (size_t)at + 1);
        mem_free(p);
        return RC_INVALID;
    }
    p->limits = pcre2_match_context_create(NULL);
    CHECK(p->limits != NULL);
    pcre2_set_match_limit(p->limits, PATTERN_STEPS_MAX);
    pcre2_set_heap_limit(p->limits, HEAP_KIB);
    *out = p;
    return RC_OK;
}

void pattern_free(struct pattern **p)
{
    if (*p == NULL)
        return;
    pcre2_code_free((*p)->code);
    pcre2_match_context_free((*p)->limits);
    mem_free(*p);
    *p = NULL;
}

static void take_groups(str_t text, pcre2_match_data *found, int n,
                        str_t group[PATTERN_GROUPS])
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(found);

    for (int i = 0; i < PATTERN_GROUPS; i++) {
        bool fitted = i < n && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

        group[i] = fitted ? str_n(text.p + at[2 * i], at[2 * i + 1] - at[2 * i]) : S("");
    }
}

bool pattern_fits(const struct pattern *p, str_t text, str_t group[PATTERN_GROUPS])
{
    pcre2_match_data *found = pcre2_match_data_create(PATTERN_GROUPS, NULL);
    int n;

    CHECK(found != NULL);
    n = pcre2_match(p->code, (PCRE2_SPTR)text.p, text.n, 0, 0, found, p->limits);
    if (n >= 0 && group != NULL)
        take_groups(text, found, n == 0 ? PATTERN_GROUPS : n, group);
    pcre2_match_data_free(found);
    return n >= 0;
}
