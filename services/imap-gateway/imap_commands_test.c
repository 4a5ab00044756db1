/* imap_commands_test.c - the tables: no name twice, flags that fit each other. */
#include "imap_command.h"
#include "imap_login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_names_once(void **state)
{
    size_t n;
    const struct imap_command *rows = imap_command_rows(&n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            assert_string_not_equal(rows[i].name, rows[k].name);
}

static void test_flags_fit(void **state)
{
    size_t n;
    const struct imap_command *rows = imap_command_rows(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        bool uid = strncmp(rows[i].name, "UID ", 4) == 0;

        print_message("%s\n", rows[i].name);
        assert_int_equal((rows[i].flags & ROW_UID) != 0, uid);
        assert_true(rows[i].states != 0);
        /* No numbers may change under a command that uses them. */
        if (!uid && (rows[i].flags & ROW_MAY_LOOK))
            assert_false(rows[i].flags & ROW_MAY_EXPUNGE);
        /* Password hashes never run on the loop, nor without TLS. */
        if (rows[i].flags & ROW_LOGIN) {
            assert_false(rows[i].flags & ROW_INLINE);
            assert_true(rows[i].flags & ROW_NEEDS_TLS);
        }
    }
}

static const struct {
    const char *command;
    const char *prompt;
} prompts[] = {
    { "a AUTHENTICATE PLAIN\r\n", "" },
    { "a authenticate plain AGEAYg==\r\n", NULL },
    { "a AUTHENTICATE LOGIN\r\n", "VXNlcm5hbWU6" },
    { "a AUTHENTICATE LOGIN dQ==\r\n", "UGFzc3dvcmQ6" },
    { "a AUTHENTICATE LOGIN dQ== cA==\r\n", NULL },
    { "a AUTHENTICATE CRAM-MD5\r\n", NULL },
    { "a AUTHENTICATE\r\n", NULL },
};

static void test_prompts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prompts); i++) {
        const char *prompt = imap_login_prompt(str_of(prompts[i].command));

        print_message("%s", prompts[i].command);
        if (prompts[i].prompt == NULL)
            assert_null(prompt);
        else
            assert_string_equal(prompt, prompts[i].prompt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_once),
        cmocka_unit_test(test_flags_fit),
        cmocka_unit_test(test_prompts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
