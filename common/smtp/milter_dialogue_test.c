/* milter_dialogue_test.c - whole dialogues about a message, packet by packet. */
#include "smtp/milter_dialogue.h"

#include "base/arena.h"
#include "smtp/milter_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const str_t recipients[] = { STR("x@ours.example"), STR("y@ours.example") };
static const struct milter_macro macros[] = {
    { 'C', "j", STR("mail.example") },
    { 'M', "i", STR("4711") },
    { 'M', "{auth_authen}", STR("") },
    { 'E', "i", STR("4711") },
};
static const struct milter_message about = {
    .client_name = STR("[192.0.2.1]"),
    .client_address = STR("192.0.2.1"),
    .client_family = '4',
    .client_port = 0x1234,
    .hello = STR("mx.example"),
    .sender = STR("a@b.example"),
    .recipients = recipients,
    .recipient_count = 2,
    .macros = macros,
    .macro_count = ARRAY_LEN(macros),
    .first = STR("Authentication-Results: mail.example; none\r\n"),
    .message = STR("From: <a@b.example>\r\nSubject:  two\r\n\tlines\r\n\r\nbody\r\n"),
    .body_max_bytes = 100,
};

struct fixture {
    struct arena *arena;
    struct milter_dialogue d;
    struct buf *out;
};

static int begin(void **state)
{
    struct arena *a = arena_new();
    struct fixture *f = arena_alloc(a, sizeof(*f));

    f->arena = a;
    f->out = arena_buf(a, 1000000);
    milter_dialogue_init(&f->d, a, &about);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    struct arena *a = f->arena;

    milter_dialogue_fini(&f->d);
    arena_free(&a);
    return 0;
}

/* The packets that are said next, as text: their commands, bars, and \0 as '.'. */
static void says(struct fixture *f, enum milter_turn turn, const char *text)
{
    struct buf *seen = arena_buf(f->arena, 100000);
    str_t in, data;
    size_t used;
    char command;

    buf_clear(f->out);
    assert_int_equal(milter_dialogue_speak(&f->d, f->out), turn);
    for (in = buf_str(f->out); in.n > 0; in = str_skip(in, used)) {
        assert_int_equal(milter_packet_next(in, &command, &data, &used), RC_OK);
        buf_putc(seen, command);
        for (size_t i = 0; i < data.n; i++)
            buf_putc(seen, data.p[i] == '\0' ? '.' : data.p[i]);
        buf_putc(seen, '|');
    }
    if (!str_eq(buf_str(seen), str_of(text)))
        fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(buf_str(seen)), text);
}

static enum rc hears(struct fixture *f, char command, str_t data)
{
    return milter_dialogue_hear(&f->d, command, data);
}

static void agree(struct fixture *f, uint32_t steps)
{
    struct buf *b = arena_buf(f->arena, 100);

    says(f, MILTER_LISTEN, "O...\6..\1\xff.\x1f\xf7\xff|");
    milter_packet_u32(b, 6);
    milter_packet_u32(b, MILTER_ACTIONS);
    milter_packet_u32(b, steps);
    assert_int_equal(hears(f, 'O', buf_str(b)), RC_OK);
}

static void all_is_told_step_by_step(void **state)
{
    static const char *const steps[] = {
        "DCj.mail.example.|C[192.0.2.1].4\x12\x34"
        "192.0.2.1.|",
        "DH|Hmx.example.|",
        "DMi.4711.|M<a@b.example>.|",
        "DR{rcpt_addr}.x@ours.example.|R<x@ours.example>.|",
        "DR{rcpt_addr}.y@ours.example.|R<y@ours.example>.|",
        "DT|T|",
        "LAuthentication-Results.mail.example; none.|",
        "LFrom.<a@b.example>.|",
        "LSubject. two\n\tlines.|",
        "N|",
        "Bbody\r\n|",
        "DEi.4711.|E|",
    };
    struct fixture *f = *state;

    agree(f, 0);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        says(f, MILTER_LISTEN, steps[i]);
        assert_int_equal(hears(f, 'p', S("")), RC_OK);
        says(f, MILTER_LISTEN, "");
        assert_int_equal(hears(f, 'c', S("")), RC_OK);
    }
    says(f, MILTER_OVER, "Q|");
    assert_int_equal(f->d.verdict, MILTER_PASSES);
    assert_int_equal(hears(f, 'c', S("")), RC_INVALID);
}

static void what_it_does_not_want_is_left_out(void **state)
{
    struct fixture *f = *state;

    agree(f, MILTER_NO_CONNECT | MILTER_NO_HELLO | MILTER_NO_RCPT | MILTER_NO_DATA |
                 MILTER_NO_EOH | MILTER_SILENT_HEADER | MILTER_LEADING_SPACE |
                 MILTER_SILENT_MAIL | MILTER_MAY_SKIP);
    says(f, MILTER_LISTEN,
         "DMi.4711.|M<a@b.example>.|LAuthentication-Results. mail.example; none.|"
         "LFrom. <a@b.example>.|LSubject.  two\n\tlines.|Bbody\r\n|");
    assert_int_equal(hears(f, 's', S("")), RC_OK);
    says(f, MILTER_LISTEN, "DEi.4711.|E|");
    assert_int_equal(hears(f, 's', S("")), RC_INVALID);
    assert_int_equal(hears(f, 'a', S("")), RC_OK);
    says(f, MILTER_OVER, "Q|");
}

static void what_it_wants_is_kept_in_order(void **state)
{
    static const struct {
        char command;
        str_t data;
        enum milter_wish_kind kind;
        uint32_t index;
        const char *name, *value;
    } wishes[] = {
        { 'h', STR("X-A\0v\0"), MILTER_WISH_ADD, 0, "X-A", "v" },
        { 'i', STR("\0\0\0\2X-B\0 w\0"), MILTER_WISH_INSERT, 2, "X-B", " w" },
        { 'm', STR("\0\0\1\0X-C\0\0"), MILTER_WISH_CHANGE, 256, "X-C", "" },
        { '+', STR("<n@ours.example>\0"), MILTER_WISH_RECIPIENT, 0, "",
          "n@ours.example" },
        { '2', STR("m@ours.example\0NOTIFY=NEVER\0"), MILTER_WISH_RECIPIENT, 0, "",
          "m@ours.example" },
        { '-', STR("<x@ours.example>\0"), MILTER_WISH_NO_RECIPIENT, 0, "",
          "x@ours.example" },
        { 'e', STR("<>\0"), MILTER_WISH_SENDER, 0, "", "" },
        { 'q', STR("odd\0"), MILTER_WISH_QUARANTINE, 0, "", "odd" },
    };
    struct fixture *f = *state;
    const struct milter_wish *w;

    agree(f, 0x7f | MILTER_NO_DATA);
    says(f, MILTER_LISTEN, "DEi.4711.|E|");
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++)
        assert_int_equal(hears(f, wishes[i].command, wishes[i].data), RC_OK);
    assert_int_equal(hears(f, 'b', S("new\r\n")), RC_OK);
    assert_int_equal(hears(f, 'b', S("body")), RC_OK);
    assert_int_equal(hears(f, 'c', S("")), RC_OK);
    w = f->d.wishes;
    for (size_t i = 0; i < ARRAY_LEN(wishes); i++, w = w->next) {
        assert_int_equal(w->kind, wishes[i].kind);
        assert_int_equal(w->index, wishes[i].index);
        assert_true(str_eq(w->name, str_of(wishes[i].name)));
        assert_true(str_eq(w->value, str_of(wishes[i].value)));
    }
    assert_null(w);
    assert_true(f->d.has_body && str_eq(buf_str(&f->d.body), S("new\r\nbody")));
}

static void verdicts(void **state)
{
    static const struct {
        char command;
        str_t data;
        enum rc rc;
        enum milter_verdict verdict;
        int code;
        const char *enhanced, *text;
    } cases[] = {
        { 'a', STR(""), RC_OK, MILTER_PASSES, 0, NULL, "" },
        { 'r', STR(""), RC_OK, MILTER_REJECTS, 0, NULL, "" },
        { 't', STR(""), RC_OK, MILTER_FAILS, 0, NULL, "" },
        { 'f', STR(""), RC_OK, MILTER_FAILS, 0, NULL, "" },
        { 'd', STR(""), RC_OK, MILTER_DISCARDS, 0, NULL, "" },
        { 'y', STR("550 5.7.9 no\0"), RC_OK, MILTER_REPLIES, 550, "5.7.9", "no" },
        { 'y', STR("451 later\r\n\0"), RC_OK, MILTER_REPLIES, 451, NULL, "later" },
        { 'y', STR("554-5.7.1 a\r\n554 5.7.1 b\0"), RC_OK, MILTER_REPLIES, 554, "5.7.1",
          "a" },
        { 'y', STR("550 4.7.1 a\xff\0"), RC_OK, MILTER_REPLIES, 550, NULL, "4.7.1 a?" },
        { 'y', STR("550\0"), RC_OK, MILTER_REPLIES, 550, NULL, "" },
        { 'y', STR("250 ok\0"), RC_INVALID, 0, 0, NULL, "" },
        { 'y', STR("600 x\0"), RC_INVALID, 0, 0, NULL, "" },
        { 'y', STR("55\0"), RC_INVALID, 0, 0, NULL, "" },
        { 'y', STR("5505 x\0"), RC_INVALID, 0, 0, NULL, "" },
        { 'y', STR("550 no end"), RC_INVALID, 0, 0, NULL, "" },
        { 'h', STR("X-A\0v\0"), RC_INVALID, 0, 0, NULL, "" }, /* not yet */
        { 'b', STR("x"), RC_INVALID, 0, 0, NULL, "" },
        { 's', STR(""), RC_INVALID, 0, 0, NULL, "" },
        { 'O', STR("\0\0\0\6\0\0\0\0\0\0\0\0"), RC_INVALID, 0, 0, NULL, "" },
        { 'z', STR(""), RC_INVALID, 0, 0, NULL, "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        milter_dialogue_init(&f->d, f->arena, &about);
        agree(f, MILTER_MAY_SKIP);
        buf_clear(f->out);
        assert_int_equal(milter_dialogue_speak(&f->d, f->out), MILTER_LISTEN);
        assert_int_equal(hears(f, cases[i].command, cases[i].data), cases[i].rc);
        if (cases[i].rc != RC_OK)
            continue;
        says(f, MILTER_OVER, "Q|");
        assert_int_equal(f->d.verdict, cases[i].verdict);
        assert_int_equal(f->d.code, cases[i].code);
        assert_true(str_eq(str_of(f->d.enhanced), str_of(cases[i].enhanced)));
        assert_true(str_eq(f->d.text, str_of(cases[i].text)));
    }
}

static void odd_options(void **state)
{
    static const str_t cases[] = {
        STR(""),
        STR("\0\0\0\6\0\0\0\0\0\0\0"),
        STR("\0\0\0\1\0\0\0\0\0\0\0\0"),
        STR("\0\0\0\7\0\0\0\0\0\0\0\0"),
        STR("\0\0\0\6\0\0\2\0\0\0\0\0"),
        STR("\0\0\0\6\0\0\0\0\0\0\x08\0"),
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        milter_dialogue_init(&f->d, f->arena, &about);
        buf_clear(f->out);
        assert_int_equal(milter_dialogue_speak(&f->d, f->out), MILTER_LISTEN);
        assert_int_equal(hears(f, 'c', S("")), RC_INVALID);
        assert_int_equal(hears(f, 'O', cases[i]), RC_INVALID);
    }
}

static void it_may_not_want_without_end(void **state)
{
    struct fixture *f = *state;
    char text[60000] = { 0 };
    enum rc rc = RC_OK;
    int count = 0;

    memset(text, 'x', sizeof(text) - 1);
    text[1] = '\0';
    agree(f, 0x7f | MILTER_NO_DATA);
    says(f, MILTER_LISTEN, "DEi.4711.|E|");
    while (rc == RC_OK && count++ < 100)
        rc = hears(f, 'h', str_n(text, sizeof(text)));
    assert_int_equal(rc, RC_LIMIT);
    assert_int_equal(count, 18);
    assert_int_equal(hears(f, 'b', str_n(text, 101)), RC_LIMIT);
}

static void packets(void **state)
{
    str_t data;
    size_t used;
    char command;

    (void)state;
    assert_int_equal(milter_packet_next(S("\0\0\0"), &command, &data, &used), RC_RETRY);
    assert_int_equal(milter_packet_next(S("\0\0\0\0"), &command, &data, &used),
                     RC_INVALID);
    assert_int_equal(milter_packet_next(S("\0\0\0\2c"), &command, &data, &used),
                     RC_RETRY);
    assert_int_equal(milter_packet_next(S("\x7f\0\0\0c"), &command, &data, &used),
                     RC_LIMIT);
    assert_int_equal(milter_packet_next(S("\0\0\0\2cx?"), &command, &data, &used), RC_OK);
    assert_true(command == 'c' && str_eq(data, S("x")) && used == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_is_told_step_by_step, begin, end),
        cmocka_unit_test_setup_teardown(what_it_does_not_want_is_left_out, begin, end),
        cmocka_unit_test_setup_teardown(what_it_wants_is_kept_in_order, begin, end),
        cmocka_unit_test_setup_teardown(verdicts, begin, end),
        cmocka_unit_test_setup_teardown(odd_options, begin, end),
        cmocka_unit_test_setup_teardown(it_may_not_want_without_end, begin, end),
        cmocka_unit_test(packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
