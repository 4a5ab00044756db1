/* session_literal_test.c - what is announced as a literal is never run as commands: every
 * command, at every place, whatever it is refused for.  RFC 7888 4.
 */
#include "session_test.h"

#include "imap_command.h"

#define INSIDE "y DELETE Victim\r\n"

enum { PLACES = 4, LARGE_LINES = 6000 };

static str_t repeated(int times)
{
    struct buf *text = arena_buf(test_arena, (size_t)times * sizeof INSIDE);

    for (int i = 0; i < times; i++)
        buf_puts(text, INSIDE);
    return buf_str(text);
}

/* Nothing of the literal was answered, and the session goes on or has ended. */
static bool goes_on(struct client *c, const char *head)
{
    say(c, "z NOOP");
    for (;;) {
        str_t line = next_line(c);

        if (c->closed)
            return false;
        if (str_starts(line, S("y ")))
            fail_msg("%s: the literal was run: %.*s", head, STR_ARG(line));
        if (str_starts(line, S("z ")))
            return true;
    }
}

/* False: the session has ended. */
static bool announce(struct client *c, const char *head, str_t literal, bool wait)
{
    say(c, "%s{%zu%s}", head, literal.n, wait ? "" : "+");
    if (wait) {
        str_t line = next_line(c);

        /* A refusal without a tag is one, too. */
        while (!c->closed && str_starts(line, S("* ")) && !str_starts(line, S("* NO ")) &&
               !str_starts(line, S("* BAD ")))
            line = next_line(c);
        if (c->closed || !str_starts(line, S("+ ")))
            return !c->closed && goes_on(c, head);
    }
    /* A session that ends does not take in all of it. */
    if (stream_write(c->stream, literal, c->until) != RC_OK ||
        stream_write(c->stream, S("\r\n"), c->until) != RC_OK)
        return false;
    return goes_on(c, head);
}

static struct client begin(void)
{
    struct client c = log_in("alice0001");

    say(&c, "s SELECT INBOX");
    until(&c, "s OK ");
    return c;
}

static void try_head(struct client *c, const char *head)
{
    static const int sizes[] = { 1, LARGE_LINES };

    print_message("%s\n", head);
    for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        if (!announce(c, head, repeated(sizes[i / 2]), i % 2)) {
            hang_up(c);
            *c = begin();
        }
        say(c, "s SELECT INBOX");
        until(c, "s OK ");
    }
}

static void make_victim(void)
{
    struct client c = log_in("alice0001");

    say(&c, "c CREATE Victim");
    assert_true(str_starts(next_line(&c), S("c ")));
    hang_up(&c);
}

static void victim_is_there(void)
{
    struct client c = log_in("alice0001");

    say(&c, "v STATUS Victim (MESSAGES)");
    until(&c, "v OK ");
    hang_up(&c);
}

static void at_every_place_of_every_command(void **state)
{
    static const char *const words[PLACES] = { "", "1 ", "1 INBOX ", "1 FLAGS (" };
    size_t n;
    const struct imap_command *rows = imap_command_rows(&n);
    struct client c;

    (void)state;
    make_victim();
    c = begin();
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < PLACES; k++)
            try_head(&c, arena_printf(test_arena, "x %s %s", rows[i].name, words[k]));
    hang_up(&c);
    victim_is_there();
}

static const char *const heads[] = {
    "x FROB ",
    "x APPEND INBOX (\\Seen) ",
    "x APPEND INBOX (\\Seen) \"20-Nov-2026 10:11:12 +0100\" ",
    "x APPEND INBOX (\\Seen",
    "x APPEND INBOX ~",
    "x APPEND &bad ",
    "x APPEND ",
    "x FETCH 1 BODY[HEADER.FIELDS (",
    "x FETCH 1 BODY[HEADER.FIELDS (From ",
    "x SEARCH CHARSET ",
    "x SEARCH SUBJECT ",
    "x SEARCH HEADER Subject ",
    "x SEARCH OR FROM a (TO ",
    "x STORE 1 +FLAGS (\\Seen ",
    "x ID (",
    "x ID (\"name\" ",
    "x LIST (SUBSCRIBED) ",
    "x LIST \"\" (",
    "x LIST \"\" * RETURN (STATUS (",
    "x SETMETADATA INBOX (/private/devicetoken ",
    "x GETMETADATA (DEPTH infinity) ",
    "x STATUS INBOX (MESSAGES ",
    "x UID ",
    "x ",
    "",
    "(x NOOP ",
    "x NOOP \"",
};

static void at_every_place_of_an_argument(void **state)
{
    struct client c;

    (void)state;
    make_victim();
    c = begin();
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        try_head(&c, heads[i]);
    hang_up(&c);
    victim_is_there();
}

/* Behind the first message of APPEND, in IDLE, and where a line of base64 is wanted. */
static void where_no_command_is_read(void **state)
{
    struct client c;

    (void)state;
    make_victim();
    c = begin();
    say(&c, "x APPEND INBOX {5+}");
    say_bytes(&c, S("abcde"));
    say(&c, " {%zu+}", strlen(INSIDE));
    say_bytes(&c, S(INSIDE "\r\n"));
    expect(&c, "x BAD one message at a time");
    assert_true(goes_on(&c, "the second message of APPEND"));
    say(&c, "x APPEND INBOX {5+}");
    say_bytes(&c, S("abcde"));
    say(&c, " {%zu}", strlen(INSIDE));
    expect(&c, "x BAD one message at a time");
    assert_true(goes_on(&c, "the second message of APPEND, which waits"));
    say(&c, "i IDLE");
    expect(&c, "+ ");
    say(&c, "x NOOP {%zu+}", strlen(INSIDE));
    say_bytes(&c, S(INSIDE "\r\n"));
    expect(&c, "i BAD ");
    assert_true(goes_on(&c, "IDLE"));
    hang_up(&c);
    c = dial(1);
    say(&c, "a AUTHENTICATE PLAIN");
    expect(&c, "+ ");
    say(&c, "{8+}");
    say_bytes(&c, S("y NOOP\r\n\r\n"));
    expect(&c, "a BAD ");
    assert_false(goes_on(&c, "AUTHENTICATE"));
    hang_up(&c);
    victim_is_there();
}

/* Of a stranger no more is read than the limit. */
static void a_stranger_who_announces_too_much_is_cut_off(void **state)
{
    static const char *const kinds[] = { "+", "" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct client c = dial(1);

        say(&c, "a LOGIN {4097%s}", kinds[i]);
        expect(&c, "a NO [TOOBIG] ");
        assert_int_equal(goes_on(&c, "LOGIN"), i == 1);
        hang_up(&c);
    }
}

/* The literal or a command: who did not wait cannot be understood. */
static void who_does_not_wait_for_the_answer_is_cut_off(void **state)
{
    struct client c = begin();

    (void)state;
    say_bytes(&c, S("x SELECT {100000}\r\n" INSIDE));
    expect(&c, "x NO [TOOBIG] ");
    expect(&c, "* BYE ");
    expect_end(&c);
    hang_up(&c);
    victim_is_there();
}

static void sizes_that_32_bits_do_not_hold(void **state)
{
    static const char *const sizes[] = { "4294967296", "99999999999",
                                         "99999999999999999999999999" };
    struct client c = begin();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        say(&c, "x%zu APPEND INBOX {%s}", i, sizes[i]);
        expect(&c, arena_printf(test_arena, "x%zu BAD ", i));
    }
    assert_true(goes_on(&c, "a literal that waits"));
    say(&c, "x APPEND INBOX {4294967296+}");
    expect(&c, "x BAD ");
    expect(&c, "* BYE ");
    expect_end(&c);
    hang_up(&c);
}

/* BAD once, and what follows the line is the next command. */
static void a_command_that_is_too_long(void **state)
{
    struct buf *line = arena_buf(test_arena, 1 << 20);
    struct client c = begin();

    (void)state;
    buf_puts(line, "x SEARCH SUBJECT \"");
    while (line->n < 300000)
        buf_puts(line, INSIDE);
    for (size_t i = 0; i < line->n; i++)
        if (line->p[i] == '\r' || line->p[i] == '\n')
            line->p[i] = ' ';
    buf_puts(line, "\"\r\n");
    say_bytes(&c, buf_str(line));
    expect(&c, "x BAD the command is too long");
    assert_true(goes_on(&c, "a long line"));
    /* One that ends in a literal, and one whose literals are too much together. */
    buf_truncate(line, line->n - 3);
    buf_printf(line, " {%zu+}\r\n" INSIDE "\r\n", strlen(INSIDE));
    say_bytes(&c, buf_str(line));
    expect(&c, "x BAD the command is too long");
    assert_true(goes_on(&c, "a long line with a literal"));
    say(&c, "x SEARCH SUBJECT {60000+}");
    say_bytes(&c, str_head(repeated(LARGE_LINES), 60000));
    say(&c, " SUBJECT {60000+}");
    say_bytes(&c, str_head(repeated(LARGE_LINES), 60000));
    say(&c, " TEXT {%zu+}", strlen(INSIDE));
    say_bytes(&c, S(INSIDE "\r\n"));
    expect(&c, "x NO [TOOBIG] ");
    assert_true(goes_on(&c, "two literals"));
    hang_up(&c);
}

/* No more is passed over than a message may have. */
static void endless_commands_end(void **state)
{
    struct client c = begin();
    char *block = arena_alloc(test_arena, 100000);

    (void)state;
    memset(block, 'a', 100000);
    for (int i = 0; i < 20; i++)
        if (stream_write(c.stream, str_n(block, 100000), c.until) != RC_OK)
            break;
    expect(&c, "* BAD the command is too long");
    expect(&c, "* BYE ");
    expect_end(&c);
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_place_of_every_command),
        cmocka_unit_test(at_every_place_of_an_argument),
        cmocka_unit_test(where_no_command_is_read),
        cmocka_unit_test(a_stranger_who_announces_too_much_is_cut_off),
        cmocka_unit_test(who_does_not_wait_for_the_answer_is_cut_off),
        cmocka_unit_test(sizes_that_32_bits_do_not_hold),
        cmocka_unit_test(a_command_that_is_too_long),
        cmocka_unit_test(endless_commands_end),
    };

    (void)argc;
    test_database_enter(argv);
    test_name = test_database_new();
    return cmocka_run_group_tests(tests, test_start, test_stop);
}
