/* rules_test.c - the table of names and passwords. */
#include "account/rules.h"

#include "base/arena.h"
#include "mail/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct domains literal = DOMAINS_ONE("[192.0.2.1]");
static const struct domains chat = DOMAINS_ONE("chat.example");
static const struct rules chatmail = { &chat, false, 9, 9, 9 };

static void login_addresses(void **state)
{
    static const struct {
        const char *user, *want; /* NULL: refused */
    } cases[] = {
        { "abcdefghi@chat.example", "abcdefghi@chat.example" },
        { "ABCdefghi@CHAT.Example", "abcdefghi@chat.example" },
        { "a@chat.example", "a@chat.example" },     /* imported accounts may be short */
        { "a@b@chat.example", "a@b@chat.example" }, /* never found, never created */
        { "abcdefghi", NULL },
        { "", NULL },
        { "@chat.example", NULL },
        { "abcdefghi@evil.example", NULL },
        { "abcdefghi@xchat.example", NULL },
        { "abcdefghi@chat.example.invalid", NULL },
        { "abc/efghi@chat.example", NULL },
        { "abc+efghi@chat.example", NULL },
        { "abc efghi@chat.example", NULL },
        { "abc\tefghi@chat.example", NULL },
        { "abc\xc3\xa4hi@chat.example", NULL },
        { "abc%efghi@chat.example", NULL },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t got = { NULL, 0 };
        enum rc rc = rules_login_address(&chatmail, a, str_of(cases[i].user), &got);

        assert_int_equal(rc, cases[i].want == NULL ? RC_INVALID : RC_OK);
        if (cases[i].want != NULL)
            assert_true(str_eq(got, str_of(cases[i].want)));
    }
    str_t got;
    assert_int_equal(rules_login_address(&chatmail, a, S("abc\0fghi@chat.example"), &got),
                     RC_INVALID);
    arena_free(&a);
}

static void literal_domain(void **state)
{
    static const struct rules r = { &literal, false, 9, 9, 9 };
    struct arena *a = arena_new();
    str_t got;

    (void)state;
    assert_int_equal(rules_login_address(&r, a, S("abcdefghi@[192.0.2.1]"), &got), RC_OK);
    assert_int_equal(rules_new_account(&r, got, S("123456789")), RULES_OK);
    assert_int_equal(rules_login_address(&r, a, S("abcdefghi@192.0.2.1"), &got),
                     RC_INVALID);
    arena_free(&a);
}

/* Each domain has accounts, an alias has none; people register at the first. */
static void several_domains(void **state)
{
    static const struct {
        const char *user, *want;
        enum rules_verdict closed, open;
    } cases[] = {
        { "abcdefghi@One.example", "abcdefghi@one.example", RULES_OK, RULES_OK },
        { "abcdefghi@two.example", "abcdefghi@two.example", RULES_NAME_DOMAIN, RULES_OK },
        { "Abcdefghi@xn--bcher-kva.example", "abcdefghi@xn--bcher-kva.example",
          RULES_NAME_DOMAIN, RULES_OK },
        { "abcdefghi@b\xc3\xbc"
          "cher.example",
          "abcdefghi@xn--bcher-kva.example", RULES_NAME_DOMAIN, RULES_OK },
        { "abuse@two.example", "abuse@two.example", RULES_NAME_LENGTH,
          RULES_NAME_LENGTH },
        { "webmaster@two.example", "webmaster@two.example", RULES_NAME_DOMAIN,
          RULES_NAME_RESERVED },
        { "abcdefghi@old.example", NULL, RULES_OK, RULES_OK },
    };
    struct arena *a = arena_new();
    struct domains d;
    struct rules r = { &d, false, 9, 9, 9 };
    char why[100];

    (void)state;
    assert_int_equal(domains_parse(a, S("one.example"),
                                   S("two.example xn--bcher-kva.example"),
                                   S("old.example=one.example"), &d, why, sizeof(why)),
                     RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t got;
        enum rc rc = rules_login_address(&r, a, str_of(cases[i].user), &got);

        assert_int_equal(rc, cases[i].want == NULL ? RC_INVALID : RC_OK);
        if (rc != RC_OK)
            continue;
        assert_true(str_eq(got, str_of(cases[i].want)));
        r.registers_all = false;
        assert_int_equal(rules_new_account(&r, got, S("123456789")), cases[i].closed);
        r.registers_all = true;
        assert_int_equal(rules_new_account(&r, got, S("123456789")), cases[i].open);
    }
    arena_free(&a);
}

static void new_accounts(void **state)
{
    static const struct {
        const char *address, *password;
        enum rules_verdict want;
    } cases[] = {
        { "abcdefghi@chat.example", "123456789", RULES_OK },
        { "ab.d_f-h1@chat.example", "123456789", RULES_OK },
        { "abcdefghi@chat.example", "12345678", RULES_PASSWORD_SHORT },
        { "abcdefghi@chat.example", "", RULES_PASSWORD_SHORT },
        /* nine characters, counted as people count, not as bytes */
        { "abcdefghi@chat.example", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
          RULES_PASSWORD_SHORT },
        { "abcdefgh@chat.example", "123456789", RULES_NAME_LENGTH },
        { "abcdefghij@chat.example", "123456789", RULES_NAME_LENGTH },
        { "abcdefg@i@chat.example", "123456789", RULES_NAME_MALFORMED },
        { "abcd[fghi@chat.example", "123456789", RULES_NAME_CHARACTERS },
        { "webmaster@chat.example", "123456789", RULES_NAME_RESERVED },
        { "webmastex@chat.example", "123456789", RULES_OK },
        { "---------@chat.example", "123456789", RULES_OK },
        { "abc+efghi@chat.example", "123456789", RULES_NAME_CHARACTERS },
        /* five times two bytes are too few characters, nine times two are enough */
        { "abcdefghi@chat.example",
          "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
          RULES_OK },
        /* the first broken rule in the order of the relay names the reason */
        { "x@chat.example", "short", RULES_PASSWORD_SHORT },
        { "a@[@chat.example", "123456789", RULES_NAME_MALFORMED },
        { "[@chat.example", "123456789", RULES_NAME_LENGTH },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(rules_new_account(&chatmail, str_of(cases[i].address),
                                           str_of(cases[i].password)),
                         cases[i].want);
}

/* Whatever lengths are allowed: nothing but what gives power over the domain. */
static void reserved_names(void **state)
{
    static const struct rules any_length = { &chat, false, 1, 64, 9 };
    static const struct {
        const char *name;
        enum rules_verdict want;
    } cases[] = {
        { "admin", RULES_NAME_RESERVED },
        { "administrator", RULES_NAME_RESERVED },
        { "hostmaster", RULES_NAME_RESERVED },
        { "postmaster", RULES_NAME_RESERVED },
        { "webmaster", RULES_NAME_RESERVED },
        { "abuse", RULES_NAME_RESERVED },
        { "mailer-daemon", RULES_NAME_RESERVED },
        { "root", RULES_OK },
        { "info", RULES_OK },
        { "support", RULES_OK },
        { "security", RULES_OK },
        { "noreply", RULES_OK },
        { "sysadmin", RULES_OK },
        { "webmaster1", RULES_OK },
        { "web.master", RULES_OK },
        { "mailerdaemon", RULES_OK },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_t address = str_of(arena_printf(a, "%s@chat.example", cases[i].name));

        if (rules_new_account(&any_length, address, S("123456789")) != cases[i].want)
            fail_msg("%s", cases[i].name);
    }
    arena_free(&a);
}

static void long_password(void **state)
{
    char password[RULES_PASSWORD_MAX_BYTES + 1];

    (void)state;
    memset(password, 'x', sizeof(password));
    assert_int_equal(rules_new_account(&chatmail, S("abcdefghi@chat.example"),
                                       str_n(password, sizeof(password) - 1)),
                     RULES_OK);
    assert_int_not_equal(rules_new_account(&chatmail, S("abcdefghi@chat.example"),
                                           str_n(password, sizeof(password))),
                         RULES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_addresses), cmocka_unit_test(literal_domain),
        cmocka_unit_test(several_domains), cmocka_unit_test(new_accounts),
        cmocka_unit_test(reserved_names),  cmocka_unit_test(long_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
