/* sender_map_test.c - what an operator may write, and whom it lets send. */
#include "mail/sender_map.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ALICE "alice@chat.example"

static void who_may_send(void **state)
{
    static const struct {
        const char *text, *account, *sender;
        bool allows;
    } cases[] = {
        { "", ALICE, ALICE, false },
        { "# none\n\r\n", ALICE, ALICE, false },
        { ALICE ": " ALICE "\n", ALICE, ALICE, true },
        { "Alice@Chat.example: ALICE@chat.EXAMPLE\r\n", ALICE, ALICE, true },
        { ALICE ": " ALICE, "alice@other.example", "alice@other.example", false },
        { ALICE ": chat.example", ALICE, ALICE, true },
        { ALICE ": other.example", ALICE, ALICE, false },
        { ALICE ": other.example, chat.example", ALICE, ALICE, true },
        { ALICE ": other.example\n" ALICE ": chat.example", ALICE, ALICE, true },
        { ALICE ": *", ALICE, "x@y.example", true },
        { "*: chat.example", ALICE, ALICE, true },
        { "*: chat.example", "bob@x.example", "bob@x.example", false },
        /* A line of its own counts alone. */
        { "*: *\n" ALICE ": bob@chat.example", ALICE, ALICE, false },
        { "*: *\n" ALICE ": bob@chat.example", "bob@chat.example", "bob@chat.example",
          true },
        { "*: ample", ALICE, ALICE, false },
        { "a@[1.2.3.4]: [1.2.3.4]", "a@[1.2.3.4]", "a@[1.2.3.4]", true },
        { "a@[IPv6:2001:db8::1]: *", "a@[IPv6:2001:db8::1]", "x@y.example", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new();
        struct sender_map m;
        char why[200] = "";

        if (sender_map_parse(a, str_of(cases[i].text), &m, why, sizeof(why)) != RC_OK)
            fail_msg("%s: %s", cases[i].text, why);
        if (sender_map_allows(&m, str_of(cases[i].account), str_of(cases[i].sender)) !=
            cases[i].allows)
            fail_msg("%s: %s", cases[i].text, cases[i].account);
        arena_free(&a);
    }
}

static void what_is_none(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { ALICE, "line 1: " ALICE ": not \"account: senders\"" },
        { "\n\n" ALICE ":\n", "line 3: " ALICE ": no sender behind it" },
        { ALICE ": ,", "no sender behind it" },
        { "alice: *", "line 1: alice: not" },
        { ": *", "line 1: : not" },
        { ALICE ": a b@c.example d@", "d@: neither an address nor a domain" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sender_map m;
        char why[200] = "";

        if (sender_map_parse(a, str_of(bad[i].text), &m, why, sizeof(why)) != RC_INVALID)
            fail_msg("accepted: %s", bad[i].text);
        if (strstr(why, bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].text, why);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_send),
        cmocka_unit_test(what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
