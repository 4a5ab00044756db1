/* Every message survives its own frames; everything else is refused. */
#include "bus/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int64_t sample;

static void set_i64(int64_t *v)
{
    *v = INT64_MIN + ++sample;
}

static void set_u32(uint32_t *v)
{
    *v = UINT32_MAX - (uint32_t)++sample;
}

/* A value of its own in each field, so that two fields cannot stand in for each other. */
static void fill(struct msg *m)
{
    switch (m->kind) {
#define MESSAGE(name, pattern, topic)                                                    \
    case MSG_##name: {                                                                   \
        struct msg_##name *p = &m->name;
#define FIELD(type, name, sentence) set_##type(&p->name);
#define MESSAGE_END(name)                                                                \
    break;                                                                               \
    }
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END
    case MSG_KIND_COUNT:
        fail();
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int kind = 0; kind < MSG_KIND_COUNT; kind++) {
        struct msg in, out;
        char body[1024];
        size_t n;

        memset(&in, 0, sizeof(in));
        in.kind = kind;
        fill(&in);
        n = msg_encode(&in, body, sizeof(body));
        assert_true(n < sizeof(body));
        assert_int_equal(msg_decode(str_n(body, n), &out), RC_OK);
        assert_memory_equal(&in, &out, sizeof(in));
        assert_true(msg_encode(&in, body, n) == SIZE_MAX); /* the NUL has no room */
    }
}

static void test_grows(void **state)
{
    struct msg m;

    (void)state;
    assert_int_equal(msg_decode(S("{\"message\":\"mailbox_changed\",\"account\":7,"
                                  "\"later\":{\"deep\":[1,2]},\"uidnext\":4294967295}"),
                                &m),
                     RC_OK);
    assert_int_equal(m.kind, MSG_mailbox_changed);
    assert_int_equal(m.mailbox_changed.account, 7);
    assert_int_equal(m.mailbox_changed.modseq, 0);
    assert_int_equal(m.mailbox_changed.uidnext, UINT32_MAX);
}

static void test_refused(void **state)
{
    static const struct {
        const char *body;
        enum rc rc;
    } cases[] = {
        { "", RC_INVALID },
        { "7", RC_INVALID },
        { "{}", RC_INVALID },
        { "{\"message\":\"unheard_of\"}", RC_INVALID },
        { "{\"message\":7}", RC_INVALID },
        { "{\"message\":\"mailbox_changed\",\"account\":\"7\"}", RC_INVALID },
        { "{\"message\":\"mailbox_changed\",\"account\":7.5}", RC_INVALID },
        { "{\"message\":\"mailbox_changed\",\"uidnext\":-1}", RC_INVALID },
        { "{\"message\":\"mailbox_changed\",\"uidnext\":4294967296}", RC_INVALID },
        { "{\"message\":\"mailbox_changed\",\"account\":99999999999999999999}",
          RC_INVALID },
        { "{\"message\":\"mail_queued\",\"queue\":1,\"queue\":2}", RC_INVALID },
        { "{\"message\":\"mail_queued\"", RC_INVALID },
        { "{\"message\":\"mail_queued\"} x", RC_INVALID },
        { "{\"message\":\"mail_queued\",\"x\":[[[[[[[[1]]]]]]]]}", RC_LIMIT },
    };
    static char large[MSG_BODY_MAX + 1];
    struct msg m;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (msg_decode(str_of(cases[i].body), &m) != cases[i].rc)
            fail_msg("%s", cases[i].body);
    }
    memset(large, ' ', sizeof(large));
    assert_int_equal(msg_decode(str_n(large, sizeof(large)), &m), RC_LIMIT);
}

/* ZeroMQ matches prefixes: no topic may begin with another one. */
static void test_topics(void **state)
{
    char account[MSG_TOPIC_BYTES], general[MSG_TOPIC_BYTES];
    struct msg m = { .kind = MSG_mailbox_changed };

    (void)state;
    msg_topic_account(account, 0x12);
    assert_string_equal(account, "0000000000000012");
    m.mailbox_changed.account = -1;
    msg_topic(account, &m);
    assert_string_equal(account, "ffffffffffffffff");
    for (int a = 0; a < MSG_KIND_COUNT; a++) {
        for (int b = 0; b < MSG_KIND_COUNT; b++)
            assert_true(a == b ||
                        strncmp(msg_name(a), msg_name(b), strlen(msg_name(a))) != 0);
        m.kind = a;
        msg_topic(general, &m);
        assert_true(strlen(general) == 16 || strcmp(general, msg_name(a)) == 0);
        assert_false(strspn(msg_name(a), "0123456789abcdef") >= 16);
    }
}

/* The first digits are those of all accounts whose ids have the same first nine bits of
 * 45. */
static void test_ranges(void **state)
{
    static const struct {
        int64_t account;
        unsigned range;
        const char *topic;
    } cases[] = {
        { 0, 0, "0000000" },
        { (INT64_C(1) << 36) - 1, 0, "0000000" },
        { INT64_C(1) << 36, 1, "0000001" },
        { INT64_C(511) << 36, 511, "00001ff" },
        { (INT64_C(1) << 45) - 1, 511, "00001ff" },
    };
    char topic[MSG_TOPIC_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(msg_range(cases[i].account), cases[i].range);
        msg_topic_range(topic, cases[i].account);
        assert_string_equal(topic, cases[i].topic);
    }
}

static void test_topics_are_read(void **state)
{
    static const char *const general[] = {
        "",
        "config_changed",
        "account_changed!",
        "00000000000000012",
        "000000000000012",
        "000000000000001g",
        "0x00000000000012",
    };
    static const int64_t accounts[] = { 0, 0x12, (INT64_C(1) << 45) - 1, -1 };
    char topic[MSG_TOPIC_BYTES];
    int64_t account;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
        msg_topic_account(topic, accounts[i]);
        assert_true(msg_topic_read(str_of(topic), &account));
        assert_int_equal(account, accounts[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(general); i++)
        assert_false(msg_topic_read(str_of(general[i]), &account));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_grows),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_topics),
        cmocka_unit_test(test_ranges),     cmocka_unit_test(test_topics_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
