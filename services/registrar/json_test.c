#include "json.h"

#include "base/arena.h"
#include "store/store_account.h"
#include "store/store_account_show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_credentials(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1024);

    (void)state;
    json_credentials(S("abc@x.example"), S("p\"\\q"), S(""), out);
    assert_true(str_eq(buf_str(out),
                       S("{\"email\":\"abc@x.example\",\"password\":\"p\\\"\\\\q\"}\n")));
    buf_clear(out);
    json_credentials(S("a@x"), S("p"), S("dclogin:a@x?p=p&v=1"), out);
    assert_true(str_eq(buf_str(out), S("{\"email\":\"a@x\",\"password\":\"p\","
                                       "\"dclogin_url\":\"dclogin:a@x?p=p&v=1\"}\n")));
    arena_free(&a);
}

static void test_reason(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1024);
    struct buf *small = arena_buf(a, 8);

    (void)state;
    json_reason(S("no \"more\""), out);
    assert_true(str_eq(buf_str(out), S("{\"reason\":\"no \\\"more\\\"\"}\n")));
    json_reason(S("does not fit"), small);
    assert_true(small->full);
    arena_free(&a);
}

static void test_account(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1024);
    struct store_account_show account = { .id = (INT64_C(1) << 53) + 1,
                                          .address = S("a@x"),
                                          .flags = STORE_ACCOUNT_ACCEPT_CLEARTEXT,
                                          .quota_bytes = 500,
                                          .has_own_quota = true,
                                          .used_bytes = 7,
                                          .messages = 2,
                                          .mailboxes = 3,
                                          .created_day = 20000,
                                          .seen_day = 20001 };

    (void)state;
    json_account(&account, out);
    assert_true(
        str_eq(buf_str(out),
               S("{\"address\":\"a@x\",\"id\":\"9007199254740993\",\"state\":\"active\","
                 "\"encrypted_only\":false,\"flags\":[\"accept_cleartext\"],"
                 "\"quota_bytes\":500,"
                 "\"quota_is_own\":true,\"used_bytes\":7,\"messages\":2,\"mailboxes\":3,"
                 "\"created_day\":\"2024-10-04\",\"last_seen_day\":\"2024-10-05\"}\n")));
    account.state = STORE_ACCOUNT_DISABLED;
    account.flags = 0;
    buf_clear(out);
    json_account(&account, out);
    assert_true(
        str_find(buf_str(out), S("\"disabled\",\"encrypted_only\":true,\"flags\":[],")) !=
        SIZE_MAX);
    arena_free(&a);
}

static void test_account_change(void **state)
{
    static const struct {
        const char *text;
        bool fine, on;
    } cases[] = {
        { "{\"encrypted_only\":true}", true, true },
        { " { \"encrypted_only\" : false }\n", true, false },
        { "{\"encrypted_only\":\"false\"}", false, false },
        { "{\"encrypted_only\":0}", false, false },
        { "{\"encrypted_only\":null}", false, false },
        { "{\"encrypted_only\":[true]}", false, false },
        { "{\"encrypted_only\":false,\"state\":\"active\"}", false, false },
        { "{\"encrypted_only\":false,\"encrypted_only\":true}", false, false },
        { "{\"encrypted-only\":false}", false, false },
        { "{}", false, false },
        { "[]", false, false },
        { "true", false, false },
        { "", false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_account_change c;

        assert_int_equal(json_account_change(str_of(cases[i].text), &c), cases[i].fine);
        if (cases[i].fine)
            assert_int_equal(c.encrypted_only, cases[i].on);
    }
}

static void test_what_is_an_object(void **state)
{
    struct arena *a = arena_new();
    struct buf *deep = arena_buf(a, 1 << 20);
    static const struct {
        str_t text;
        bool is;
    } cases[] = {
        { STR("{}"), true },
        { STR(" {\"a\": [1, null]}\n"), true },
        { STR("[]"), false },
        { STR(""), false },
        { STR("{"), false },
        { STR("{} {}"), false },
        { STR("{\"a\":1,\"a\":2}"), false },
        { STR("{\"a\":\"\xff\"}"), false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (json_is_one(cases[i].text) != cases[i].is)
            fail_msg("%.*s", STR_ARG(cases[i].text));
    for (int i = 0; i < 100000; i++)
        buf_puts(deep, "{\"a\":");
    assert_false(json_is_one(buf_str(deep)));
    arena_free(&a);
}

static void test_alias_targets(void **state)
{
    static const struct {
        const char *text;
        size_t n; /* 0: refused */
    } cases[] = {
        { "{\"targets\":[\"ann\",\"bob@c.org\"]}", 2 },
        { "{\"targets\":[]}", 0 },
        { "{\"targets\":[1]}", 0 },
        { "{\"targets\":\"ann\"}", 0 },
        { "{\"targets\":[\"ann\"],\"x\":1}", 0 },
        { "[\"ann\"]", 0 },
        { "", 0 },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        str_t *targets;
        size_t n;
        bool fine = json_alias_targets(a, str_of(cases[i].text), &targets, &n);

        assert_int_equal(fine, cases[i].n > 0);
        if (fine)
            assert_int_equal(n, cases[i].n);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alias_targets),  cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_reason),         cmocka_unit_test(test_account),
        cmocka_unit_test(test_account_change), cmocka_unit_test(test_what_is_an_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
