/* policy_test.c - every word that an operator may write, and what is no policy. */
#include "svc/policy.h"

#include "base/arena.h"
#include "base/buf.h"
#include "svc/options_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_200                                                                         \
    "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789" \
    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghij" \
    "klmnopqrstuvwxyz0123456789abcdefghij"

static void check_text(const char *got, const char *want)
{
    assert_int_equal(got == NULL, want == NULL);
    if (want != NULL)
        assert_string_equal(got, want);
}

static void words(void **state)
{
    static const struct {
        const char *text;
        struct policy want;
        const char *again; /* as it is written back; NULL: as it was */
    } cases[] = {
        { "off", { POLICY_OFF, 0, NULL, NULL }, NULL },
        { "ignore", { POLICY_IGNORE, 0, NULL, NULL }, NULL },
        { "quarantine", { POLICY_QUARANTINE, 0, NULL, NULL }, NULL },
        { "reject", { POLICY_REJECT, 0, NULL, NULL }, NULL },
        { " Reject ", { POLICY_REJECT, 0, NULL, NULL }, "reject" },
        { "true", { POLICY_REJECT, 0, NULL, NULL }, "reject" },
        { "False", { POLICY_OFF, 0, NULL, NULL }, "off" },
        { "reject 550", { POLICY_REJECT, 550, NULL, NULL }, NULL },
        { "reject 450", { POLICY_REJECT, 450, NULL, NULL }, NULL },
        { "reject  550\t5.7.23",
          { POLICY_REJECT, 550, "5.7.23", NULL },
          "reject 550 5.7.23" },
        { "reject 554 5.7.0 Not from here, see https://x.example/?a=1",
          { POLICY_REJECT, 554, "5.7.0", "Not from here, see https://x.example/?a=1" },
          NULL },
        { "reject 554 Not from here",
          { POLICY_REJECT, 554, NULL, "Not from here" },
          NULL },
        { "reject Not from here", { POLICY_REJECT, 0, NULL, "Not from here" }, NULL },
        { "reject 5.7.1 is no code",
          { POLICY_REJECT, 0, NULL, "5.7.1 is no code" },
          NULL },
        { "reject 550 5.7", { POLICY_REJECT, 550, NULL, "5.7" }, NULL },
        { "reject 550 5.7.1. x", { POLICY_REJECT, 550, NULL, "5.7.1. x" }, NULL },
        { "reject 550 2.7.1", { POLICY_REJECT, 550, NULL, "2.7.1" }, NULL },
        { "reject " TEXT_200, { POLICY_REJECT, 0, NULL, TEXT_200 }, NULL },
    };
    struct arena *a = arena_new();
    struct buf again;

    (void)state;
    buf_init(&again, 1000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = cases[i].text, *why;
        struct policy p;

        if (policy_parse(a, str_of(text), &p, &why) != RC_OK)
            fail_msg("%s: %s", text, why);
        assert_int_equal(p.action, cases[i].want.action);
        assert_int_equal(p.code, cases[i].want.code);
        check_text(p.enhanced, cases[i].want.enhanced);
        check_text(p.text, cases[i].want.text);
        buf_clear(&again);
        policy_format(&p, &again);
        if (!str_eq(buf_str(&again),
                    str_of(cases[i].again != NULL ? cases[i].again : text)))
            fail_msg("%s becomes %.*s", text, STR_ARG(buf_str(&again)));
    }
    buf_fini(&again);
    arena_free(&a);
}

static void what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "maybe",
        "off 550",
        "ignore it",
        "quarantine 550",
        "reject 250",
        "reject 421 4.7.0 x",
        "reject 600",
        "reject 550 4.7.1",
        "reject 450 5.7.1",
        "reject a\r\nb",
        "reject \xc3\xa4",
        "reject " TEXT_200 "x",
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *why = NULL;
        struct policy p;

        if (policy_parse(a, str_of(bad[i]), &p, &why) != RC_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(why);
    }
    arena_free(&a);
}

/* Reads text as the option; NULL, or what is wrong with it. */
static const char *read_option(struct arena *a, const char *name, const char *text,
                               struct options *to)
{
    char *why = arena_alloc(a, OPTIONS_ERROR_BYTES);
    const struct options_row *row = options_row_find(str_of(name));

    assert_non_null(row);
    return options_row_parse(row, a, str_of(text), to, why, OPTIONS_ERROR_BYTES) == RC_OK
               ? NULL
               : why;
}

static void as_options(void **state)
{
    static const char option[] = "require_mx_record",
                      temporary[] = "require_mx_record_temporary";
    static const struct {
        const char *name, *text, *says;
    } bad[] = {
        { option, "maybe", "must be off, ignore, quarantine or reject" },
        { option, "reject 250", "450 to 599" },
        { temporary, "off", "must be one of: ignore quarantine reject" },
        { temporary, "reject 550", "must be 450 to 499" },
        { "rspamd_io_error_action", "reject 550", "must be 450 to 499" },
        { "rspamd_error_resp_action", "reject 550", "must be 450 to 499" },
        { "rspamd_soft_reject_action", "reject 550", "must be 450 to 499" },
    };
    struct arena *a = arena_new();
    struct options *o = arena_alloc(a, sizeof(*o));
    struct buf shown;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *why = read_option(a, bad[i].name, bad[i].text, o);

        if (why == NULL || strstr(why, bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].text, why);
    }
    assert_null(read_option(a, temporary, "quarantine", o));
    assert_int_equal(o->require_mx_record_temporary.action, POLICY_QUARANTINE);
    assert_null(read_option(a, option, "reject 554 5.7.27 No answer?", o));
    assert_int_equal(o->require_mx_record.action, POLICY_REJECT);
    assert_int_equal(o->require_mx_record.code, 554);
    buf_init(&shown, 1000);
    options_row_format(options_row_find(str_of(option)), o, &shown);
    assert_true(str_eq(buf_str(&shown), S("reject 554 5.7.27 No answer?")));
    buf_fini(&shown);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(as_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
