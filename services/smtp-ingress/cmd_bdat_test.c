/* cmd_bdat_test.c - messages in chunks: what is stored, and what is refused. */
#include "session_test.h"

static void begin(struct client *c, const char *from, const char *to)
{
    say(c, arena_printf(arena, "MAIL FROM:<%s> BODY=8BITMIME", from));
    expect(c, "250 2.1.0 ");
    say(c, arena_printf(arena, "RCPT TO:<%s>", to));
    expect(c, "250 2.1.5 ");
}

/* Not waiting for the reply. */
static void send_chunk(struct client *c, str_t octets, const char *last)
{
    say(c, arena_printf(arena, "BDAT %zu%s", octets.n, last));
    say_bytes(c, octets);
}

static void chunk(struct client *c, str_t octets, const char *last, const char *reply)
{
    send_chunk(c, octets, last);
    expect(c, reply);
}

static str_t stored_last(void)
{
    look_at_last();
    return stored_body(db_get_int(observer, 0, 0, 0));
}

static str_t tail(str_t s, size_t n)
{
    return str_skip(s, s.n - n);
}

/* DATA and BDAT of any sizes store the same. */
static void what_is_stored_does_not_depend_on_the_chunks(void **state)
{
    static const size_t sizes[] = { 1, 7, 1000, 65536, 10000000 };
    str_t m = message("alice0001@" DOMAIN, "Subject: .\r\n", 3000);
    struct client c = log_in("alice0001");
    str_t want;

    (void)state;
    begin_data(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_message(&c, m);
    expect(&c, "250 2.0.0 ");
    want = stored_last();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        int64_t before = queued();

        begin(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
        for (size_t at = 0; at < m.n; at += sizes[i])
            send_chunk(&c, str_head(str_skip(m, at), sizes[i]),
                       m.n - at <= sizes[i] ? " LAST" : "");
        for (size_t at = 0; at < m.n; at += sizes[i])
            expect(&c, m.n - at <= sizes[i] ? "250 2.0.0 Ok: queued" : "250 2.0.0 ");
        assert_int_equal(queued(), before + 1);
        assert_true(str_eq(stored_last(), want));
    }
    hang_up(&c);
}

/* The last line gets its end; a line that begins with a dot keeps it. */
static void nothing_is_taken_away(void **state)
{
    struct client c = log_in("alice0001");
    str_t m = message("alice0001@" DOMAIN, "", 500);
    str_t more = S(".\r\n..\r\nthe end");

    (void)state;
    begin(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    chunk(&c, m, "", "250 2.0.0 ");
    chunk(&c, more, "", "250 2.0.0 14 octets received");
    chunk(&c, S(""), " LAST", "250 2.0.0 Ok: queued");
    assert_true(str_eq(tail(stored_last(), 16), S(".\r\n..\r\nthe end\r\n")));
    hang_up(&c);
}

/* Its octets are read over, and so are those of the chunks behind it. */
static void a_refused_chunk_ends_the_transaction(void **state)
{
    struct client c = log_in("alice0001");
    int64_t before = queued();
    char *octets = arena_alloc(arena, MAX_MESSAGE_BYTES + 2);

    (void)state;
    memset(octets, 'x', MAX_MESSAGE_BYTES + 2);
    for (size_t i = 76; i + 2 < MAX_MESSAGE_BYTES; i += 78)
        memcpy(octets + i, "\r\n", 2);
    begin(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    send_chunk(&c, str_n(octets, MAX_MESSAGE_BYTES + 1), "");
    send_chunk(&c, S("RSET\r\n"), "");
    send_chunk(&c, S("QUIT\r\n"), " LAST");
    expect(&c, "552 5.3.4 ");
    expect(&c, "503 5.5.1 ");
    expect(&c, "503 5.5.1 ");
    begin(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    memset(octets, 'x', 9000); /* a line that is too long */
    chunk(&c, str_n(octets, 9000), " LAST", "500 5.5.2 Line too long");
    begin(&c, "alice0001@" DOMAIN, "b@elsewhere.example");
    chunk(&c, message("mallory01@" DOMAIN, "", 100), " LAST", "500 Invalid FROM");
    assert_int_equal(queued(), before);
    say(&c, arena_printf(arena, "BDAT %d", 2 * MAX_MESSAGE_BYTES + 1));
    expect(&c, "503 5.5.1 ");
    expect_end(&c);
    hang_up(&c);
}

static void other_servers_send_chunks_behind_their_recipients(void **state)
{
    struct client c = foreign();
    str_t m = message("b@elsewhere.example", "", 500);

    (void)state;
    say_bytes(&c, str_of(arena_printf(arena,
                                      "MAIL FROM:<b@elsewhere.example>\r\n"
                                      "RCPT TO:<alice0001@" DOMAIN ">\r\n"
                                      "BDAT %zu LAST\r\n%.*sNOOP\r\n",
                                      m.n, STR_ARG(m))));
    expect(&c, "250 2.1.0 ");
    expect(&c, "250 2.1.5 ");
    expect(&c, "250 2.0.0 Ok: queued");
    expect(&c, "250 2.0.0 Ok");
    hang_up(&c);
    c = dial(0); /* and not before TLS, nor does anything in it run */
    send_chunk(&c, S("EHLO x\r\n"), "");
    expect(&c, "530 5.7.0 ");
    say(&c, "QUIT");
    expect(&c, "221 ");
    hang_up(&c);
}

/* Tiny chunks are no way to stay: the port is the impatient one. */
static void chunks_that_bring_nothing_wear_out(void **state)
{
    struct client c = foreign_at(4);

    (void)state;
    begin(&c, "b@elsewhere.example", "alice0001@" DOMAIN);
    for (int i = 0; i < 8; i++)
        say(&c, "BDAT 0");
    for (int i = 0; i < 8; i++)
        expect(&c, "250 2.0.0 0 octets received");
    expect(&c, "421 4.7.0 Too many commands without a message");
    expect_end(&c);
    hang_up(&c);
    c = foreign_at(4);
    begin(&c, "b@elsewhere.example", "alice0001@" DOMAIN);
    chunk(&c, S("From: x\r\n"), "", "250 2.0.0 ");
    expect(&c, "421 4.4.2 Timeout exceeded"); /* between two chunks as within one */
    hang_up(&c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_does_not_depend_on_the_chunks),
        cmocka_unit_test(nothing_is_taken_away),
        cmocka_unit_test(a_refused_chunk_ends_the_transaction),
        cmocka_unit_test(other_servers_send_chunks_behind_their_recipients),
        cmocka_unit_test(chunks_that_bring_nothing_wear_out),
    };

    (void)argc;
    enter(argv);
    return cmocka_run_group_tests(tests, start_with_alice, stop);
}
