/* replace_sender_test.c - who gets which other address, and what an operator may not ask
 * for. */
#include "account/replace_sender.h"

#include "account/aliases.h"
#include "account/route.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "mail/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;
static struct domains ours;
static struct route_rules route = { .domains = &ours, .delimiters = STR("+") };
static const struct aliases_senders rules = {
    &route, { STR("Post@one.example"), STR("abuse0@two.example") }
};
static char why[REPLACE_SENDER_WHY_BYTES];

static enum rc read(const struct aliases_senders *s, const char *text,
                    struct replace_sender **out)
{
    return replace_sender_new(s, str_of(text), out, why);
}

static void test_replace(void **state)
{
    static const char list[] = "Ann@Far.example: bounces@relay.example;"
                               " news : list ; @far.example: rest@relay.example;"
                               "/(v-.*)@(.*)\\.far\\.example/: $1=$2@relay.example;"
                               "@b\xc3\xbc"
                               "cher.example: book@relay.example;"
                               "own@far.example: post@one.example;"
                               "abuse@far.example: ABUSE0@Two.example;"
                               "/(t.*)@tag\\.example/: post+$1@one.example;"
                               "/(.*)%(.*)@evil\\.example/: $1@$2;"
                               "@[192.0.2.1]: number@relay.example";
    static const struct {
        const char *sender, *other; /* "": it stays */
    } cases[] = {
        { "ann@far.example", "bounces@relay.example" },
        { "ANN@FAR.EXAMPLE", "bounces@relay.example" },
        { "\"ann\"@far.example", "bounces@relay.example" },
        { "bob@far.example", "rest@relay.example" },
        { "\"b@b\"@far.example", "rest@relay.example" },
        { "bob@sub.far.example", "" },
        { "news@any.example", "list@any.example" },
        { "news@far.example", "list@far.example" }, /* a name before a domain */
        { "v-1@x.far.example", "v-1=x@relay.example" },
        { "x@xn--bcher-kva.example", "book@relay.example" },
        { "x@B\xc3\xbc"
          "cher.example",
          "book@relay.example" },
        { "x@[192.0.2.1]", "number@relay.example" },
        { "own@far.example", "post@one.example" },
        { "abuse@far.example", "ABUSE0@Two.example" },
        { "t1@tag.example", "post+t1@one.example" },
        { "x%far.example@evil.example", "x@far.example" },
        { "ann%one.example@evil.example", "" }, /* an account's, for all we know */
        { "ann%OLD.example@evil.example", "" },
        { "post%one.example@evil.example", "post@one.example" },
        { "post++%one.example@evil.example", "post++@one.example" },
        { "nobody@other.example", "" },
        { "news@one.example", "" },
        { "news@OLD.example", "" },
        { "", "" },
        { "no address", "" },
    };
    struct replace_sender *r;

    (void)state;
    if (read(&rules, list, &r) != RC_OK)
        fail_msg("%s", why);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t to = replace_sender_with(r, arena, str_of(cases[i].sender), S(""));

        if (!str_eq(to, str_of(cases[i].other)))
            fail_msg("%s: %.*s", cases[i].sender, STR_ARG(to));
    }
    assert_true(
        str_eq(replace_sender_with(r, arena, S("x@y"), S("as it was")), S("as it was")));
    replace_sender_free(&r);
    replace_sender_free(&r);
}

/* What groups fitted makes an address that is none, or too long a one. */
static void test_no_address(void **state)
{
    struct buf *b = arena_buf(arena, 300);
    struct replace_sender *r;

    (void)state;
    assert_int_equal(read(&rules, "/(.*)@far\\.example/: $1$1$1@relay.example", &r),
                     RC_OK);
    for (int i = 0; i < 22; i++)
        buf_putc(b, 'a');
    buf_puts(b, "@far.example");
    assert_int_equal(replace_sender_with(r, arena, buf_str(b), S("")).n, 0);
    assert_int_equal(replace_sender_with(r, arena, str_skip(buf_str(b), 1), S("")).n,
                     strlen("@relay.example") + 63);
    replace_sender_free(&r);
}

static void test_bad_rows(void **state)
{
    static const struct {
        const char *text, *row, *reason;
    } cases[] = {
        { "a@far.example: b@x.example, c@x.example", "row 1: ", "is replaced by one" },
        { "a@far.example: b@x.example; A@FAR.example: c@x.example",
          "row 2: ", "stands there twice" },
        { "x@far.example: y@x.example; ann@one.example: b@x.example",
          "row 2: ", "in one of this server's domains" },
        { "@OLD.example: b@x.example", "row 1: ", "in one of this server's domains" },
        { "a@far.example: ann@one.example",
          "row 1: ", "only postmaster_account and abuse_account" },
        { "a@far.example: ann@old.example",
          "row 1: ", "only postmaster_account and abuse_account" },
        { "a@far.example: postmaster@one.example",
          "row 1: ", "only postmaster_account and abuse_account" },
        { "/(.*)@far/: $1@one.example",
          "row 1: ", "only postmaster_account and abuse_account" },
        { "/(.*)@far/: $1 x@far.example", "row 1: ", "is neither an address nor a name" },
        { "/(.*)@far/: a$1", NULL, "" },
        { "/(.*)@(.*)/: $1@$2", NULL, "" },
        { "a@far.example", "row 1: ", "is not name: targets" },
        { "a@far.example:", "row 1: ", "stands for nothing" },
        { "a@@far.example: b@x.example", "row 1: ", "is not an address" },
        { "@far..example: b@x.example", "row 1: ", "is not @ and a domain" },
        { "@: b@x.example", "row 1: ", "is not @ and a domain" },
        { "a b: c@x.example", "row 1: ", "is no name of an address" },
        { "a@far.example: |/bin/cat", "row 1: ", "is neither an address nor a name" },
        { "/(/: c@x.example", "row 1: ", "(" },
    };
    struct replace_sender *r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum rc rc = read(&rules, cases[i].text, &r);

        if (cases[i].row == NULL) {
            assert_int_equal(rc, RC_OK);
            replace_sender_free(&r);
            continue;
        }
        assert_int_equal(rc, RC_INVALID);
        assert_null(r);
        if (!str_starts(str_of(why), str_of(cases[i].row)) ||
            strstr(why, cases[i].reason) == NULL)
            fail_msg("%s: %s", cases[i].text, why);
    }
}

/* Where nobody is postmaster, no address of ours stands for anybody. */
static void test_no_postmaster(void **state)
{
    const struct aliases_senders none = { .route = &route };
    struct replace_sender *r;

    (void)state;
    assert_int_equal(read(&none, "a@far.example: post@one.example", &r), RC_INVALID);
    assert_int_equal(read(&none, "a@far.example: b@x.example", &r), RC_OK);
    replace_sender_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_no_postmaster),
    };
    int failed;

    arena = arena_new();
    log_init("replace_sender_test", LOG_LEVEL_ERROR, false);
    failed =
        domains_parse(arena, S("one.example"), S("two.example"),
                      S("old.example=one.example"), &ours, why, sizeof(why)) != RC_OK;
    failed |= cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
