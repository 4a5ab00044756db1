/* imap_reply_test.c - quoting, literals, sets, and who sees which capability. */
#include "imap_reply.h"

#include "base/arena.h"
#include "store/store_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;
static struct buf *out;

static void said(const char *text)
{
    assert_string_equal(arena_cstr(arena, buf_str(out)), text);
    buf_clear(out);
}

static void test_strings(void **state)
{
    (void)state;
    imap_reply_string(out, S("a b"));
    said("\"a b\"");
    imap_reply_string(out, S("a\"b\\"));
    said("\"a\\\"b\\\\\"");
    imap_reply_string(out, S(""));
    said("\"\"");
    /* Neither line ends nor 8-bit bytes stand in quotes. */
    imap_reply_string(out, S("a\r\n* BYE"));
    said("{8}\r\na\r\n* BYE");
    imap_reply_string(out, S("\xc3\xa4"));
    said("{2}\r\n\xc3\xa4");
}

static void test_flags(void **state)
{
    (void)state;
    imap_reply_flags(out, 0);
    said("()");
    imap_reply_fetch_flags(out, 3, 7, STORE_FLAGS_SEEN | STORE_FLAGS_MDN_SENT);
    said("* 3 FETCH (UID 7 FLAGS (\\Seen $MDNSent))\r\n");
}

static void test_sets(void **state)
{
    const uint32_t numbers[] = { 1, 2, 3, 7, 9, 10 };

    (void)state;
    imap_reply_set(out, numbers, ARRAY_LEN(numbers));
    said("1:3,7,9:10");
    imap_reply_set(out, numbers, 1);
    said("1");
}

static bool offers(enum imap_state imap_state, bool tls, const char *capability)
{
    struct imap_session session = { .state = imap_state, .tls = tls };
    struct imap_cmd cmd = { .arena = arena, .session = &session };
    str_t list = str_of(imap_reply_capabilities(&cmd)), word;

    while (str_split(&list, ' ', &word))
        if (str_eq(word, str_of(capability)))
            return true;
    return false;
}

static void test_capabilities(void **state)
{
    (void)state;
    assert_true(offers(ST_GREETED, false, "LOGINDISABLED"));
    assert_false(offers(ST_GREETED, false, "AUTH=PLAIN"));
    assert_true(offers(ST_GREETED, true, "AUTH=PLAIN"));
    assert_false(offers(ST_GREETED, true, "STARTTLS"));
    assert_true(offers(ST_GREETED, false, "XCHATMAIL"));
    assert_true(offers(ST_GREETED, true, "IDLE"));
    assert_false(offers(ST_GREETED, true, "METADATA"));
    assert_true(offers(ST_AUTHENTICATED, true, "METADATA"));
    assert_true(offers(ST_SELECTED, true, "QUOTA"));
    assert_false(offers(ST_SELECTED, true, "AUTH=PLAIN"));
    /* Only once push works. */
    assert_false(offers(ST_SELECTED, true, "XDELTAPUSH"));
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    out = arena_buf(arena, 10000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_capabilities),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
