/* api_token_test.c - what is a token, and what can be none. */
#include "account/api_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SHORTEST "0123456789abcdefABCDEF-._~+/zzzz"

static void tokens_are_made_and_differ(void **state)
{
    unsigned char one[API_TOKEN_HASH_BYTES], other[API_TOKEN_HASH_BYTES];
    char a[API_TOKEN_TEXT_BYTES], b[API_TOKEN_TEXT_BYTES];

    (void)state;
    api_token_make(a);
    api_token_make(b);
    assert_int_equal(strlen(a), API_TOKEN_TEXT_BYTES - 1);
    assert_true(str_starts(str_of(a), S("postbus_")));
    assert_string_not_equal(a, b);
    assert_true(api_token_is(str_of(a)));
    api_token_hash(str_of(a), one);
    api_token_hash(str_of(b), other);
    assert_memory_not_equal(one, other, sizeof(one));
    api_token_hash(str_of(a), other);
    assert_memory_equal(one, other, sizeof(one));
}

static void what_can_be_no_token(void **state)
{
    static const struct {
        str_t text;
        bool is;
    } cases[] = {
        { STR(SHORTEST), true },
        { STR(SHORTEST "=="), true },
        { STR(""), false },
        { STR("0123456789abcdef0123456789abcde"), false },
        { STR(SHORTEST " "), false },
        { STR(SHORTEST "\""), false },
        { STR(SHORTEST "=a"), false },
        { STR(SHORTEST "\0"), false },
        { STR(SHORTEST "\xc3\xa4"), false },
        { STR("================================"), false },
    };
    char longest[API_TOKEN_MAX_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (api_token_is(cases[i].text) != cases[i].is)
            fail_msg("%.*s", STR_ARG(cases[i].text));
    memset(longest, 'a', sizeof(longest));
    assert_true(api_token_is(str_n(longest, API_TOKEN_MAX_BYTES)));
    assert_false(api_token_is(str_n(longest, sizeof(longest))));
}

static void names_are_words(void **state)
{
    (void)state;
    assert_true(api_token_is_name(S("backup-2.host_A")));
    assert_false(api_token_is_name(S("")));
    assert_false(api_token_is_name(S("two words")));
    assert_false(api_token_is_name(S("a\"b")));
    assert_false(api_token_is_name(S("a\nb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_made_and_differ),
        cmocka_unit_test(what_can_be_no_token),
        cmocka_unit_test(names_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
