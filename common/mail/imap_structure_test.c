/* imap_structure_test.c - ENVELOPE, BODYSTRUCTURE and sections of messages with known
 * answers.
 */
#include "mail/imap_structure.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void envelopes(void **state)
{
    static const struct {
        str_t message;
        const char *envelope;
    } cases[] = {
        { STR("Date: Sat, 21 Nov 2026 11:12:31 +0000\r\nFrom: Al \"B\" <a@b.org>\r\n"
              "To: \"hidden-recipients\": ;\r\nSubject: [...]\r\nMessage-ID: "
              "<1@x>\r\n\r\n"),
          "(\"Sat, 21 Nov 2026 11:12:31 +0000\" \"[...]\" ((\"Al B\" NIL \"a\" "
          "\"b.org\")) "
          "((\"Al B\" NIL \"a\" \"b.org\")) ((\"Al B\" NIL \"a\" \"b.org\")) "
          "((NIL NIL \"hidden-recipients\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL "
          "\"<1@x>\")" },
        { STR("\r\nx"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
        { STR("Subject: a \"q\" \\\r\nFrom: a@b\r\nReply-To: c@d\r\nCc: e@f, g@h\r\n"
              "In-Reply-To: <2@x>\r\n\r\n"),
          "(NIL \"a \\\"q\\\" \\\\\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
          "((NIL NIL \"c\" \"d\")) NIL ((NIL NIL \"e\" \"f\")(NIL NIL \"g\" \"h\")) NIL "
          "\"<2@x>\" NIL)" },
        { STR("From: user@domain (Real Name)\r\nTo: <a (c)@ (c) b.org>\r\n\r\n"),
          "(NIL NIL ((\"Real Name\" NIL \"user\" \"domain\")) "
          "((\"Real Name\" NIL \"user\" \"domain\")) "
          "((\"Real Name\" NIL \"user\" \"domain\")) "
          "((NIL NIL \"a\" \"b.org\")) NIL NIL NIL NIL)" },
        { STR("Subject: \xc3\xa4\r\nSender:\r\n\r\n"),
          "(NIL {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *out = arena_buf(a, 65536);

        imap_structure_envelope(a, cases[i].message, out);
        if (!str_eq(buf_str(out), str_of(cases[i].envelope)))
            print_error("got: %.*s\n", STR_ARG(buf_str(out)));
        assert_true(str_eq(buf_str(out), str_of(cases[i].envelope)));
    }
    arena_free(&a);
}

#define ENCRYPTED                                                                        \
    "From: a@b\r\nContent-Type: multipart/encrypted; boundary=\"b\";\r\n"                \
    " protocol=\"application/pgp-encrypted\"\r\n\r\n"                                    \
    "--b\r\nContent-Type: application/pgp-encrypted\r\n"                                 \
    "Content-Description: version\r\n\r\nVersion: 1\r\n"                                 \
    "--b\r\nContent-Type: application/octet-stream; name=\"e.asc\"\r\n"                  \
    "Content-Disposition: inline; filename=\"e.asc\"\r\n\r\nxx\r\nyy\r\n--b--\r\n"

#define FORWARD                                                                          \
    "Content-Type: multipart/mixed; boundary=o\r\n\r\n"                                  \
    "--o\r\n\r\nhello\r\n"                                                               \
    "--o\r\nContent-Type: message/rfc822\r\n\r\n"                                        \
    "Subject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"             \
    "--i\r\nX: y\r\n\r\none\r\n--i\r\nContent-Type: text/html\r\n\r\ntwo\r\n--i--\r\n"   \
    "--o--\r\n"

static void structures(void **state)
{
    static const struct {
        str_t message;
        bool extended;
        const char *structure;
    } cases[] = {
        { STR("A: b\r\n\r\none\r\ntwo\r\n"), false,
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)" },
        { STR("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
              "8bit\r\n"
              "Content-Language: en, de\r\nContent-MD5: x\r\n\r\n"),
          true,
          "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"8bit\" 0 0 \"x\" NIL "
          "(\"en\" \"de\") NIL)" },
        { STR(ENCRYPTED), false,
          "((\"application\" \"pgp-encrypted\" NIL NIL \"version\" \"7bit\" 10)"
          "(\"application\" \"octet-stream\" (\"name\" \"e.asc\") NIL NIL \"7bit\" 6) "
          "\"encrypted\")" },
        { STR(ENCRYPTED), true,
          "((\"application\" \"pgp-encrypted\" NIL NIL \"version\" \"7bit\" 10 NIL NIL "
          "NIL NIL)"
          "(\"application\" \"octet-stream\" (\"name\" \"e.asc\") NIL NIL \"7bit\" 6 NIL "
          "(\"inline\" (\"filename\" \"e.asc\")) NIL NIL) \"encrypted\" "
          "(\"boundary\" \"b\" \"protocol\" \"application/pgp-encrypted\") NIL NIL "
          "NIL)" },
        { STR(FORWARD), false,
          "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)"
          "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 124 "
          "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
          "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0)"
          "(\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0) \"alternative\") 11) "
          "\"mixed\")" },
        /* What cannot be read does not hide what can. */
        { STR("Content-Type: text/plain; charset; =x; name=\"a;b\" rubbish \"c;d\"; "
              "format=flowed; empty=; ; x=\"open; delsp=yes\r\n"
              "Content-Disposition: inline; filename; size=7\r\n\r\n"),
          true,
          "(\"text\" \"plain\" (\"name\" \"a;b\" \"format\" \"flowed\" \"delsp\" "
          "\"yes\") "
          "NIL NIL \"7bit\" 0 0 NIL (\"inline\" (\"size\" \"7\")) NIL NIL)" },
        { STR("Content-Type: multipart/mixed\r\n\r\nx"), false,
          "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 1)" },
        { STR("Content-Type: multipart/mixed; boundary=b\r\n\r\nx"), false,
          "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *out = arena_buf(a, 65536);

        imap_structure_body(a, cases[i].message, cases[i].extended, out);
        if (!str_eq(buf_str(out), str_of(cases[i].structure)))
            print_error("got: %.*s\n", STR_ARG(buf_str(out)));
        assert_true(str_eq(buf_str(out), str_of(cases[i].structure)));
    }
    arena_free(&a);
}

static void sections(void **state)
{
    static const str_t plain =
        STR("From: a@b\r\nTo: c@d\r\n e@f\r\nX: y\r\n\r\nbody\r\n");
    static const str_t encrypted = STR(ENCRYPTED), forward = STR(FORWARD);
    static const str_t attached =
        STR("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nin\r\n");
    static const struct {
        const str_t *message;
        const char *section, *bytes; /* NULL: NIL */
    } cases[] = {
        { &plain, "HEADER", "From: a@b\r\nTo: c@d\r\n e@f\r\nX: y\r\n\r\n" },
        { &plain, "TEXT", "body\r\n" },
        { &plain, "1", "body\r\n" },
        { &plain, "1.MIME", "From: a@b\r\nTo: c@d\r\n e@f\r\nX: y\r\n\r\n" },
        { &plain, "1.HEADER", NULL },
        { &plain, "1.1", NULL },
        { &plain, "2", NULL },
        { &plain, "HEADER.FIELDS (to from)", "From: a@b\r\nTo: c@d\r\n e@f\r\n\r\n" },
        { &plain, "header.fields (\"X\" )", "X: y\r\n\r\n" },
        { &plain, "HEADER.FIELDS (NONE)", "\r\n" },
        { &plain, "HEADER.FIELDS.NOT (TO X)", "From: a@b\r\n\r\n" },
        { &encrypted, "1", "Version: 1" },
        { &encrypted, "2", "xx\r\nyy" },
        { &encrypted, "1.MIME",
          "Content-Type: application/pgp-encrypted\r\n"
          "Content-Description: version\r\n\r\n" },
        { &encrypted, "3", NULL },
        { &encrypted, "2.TEXT", NULL },
        { &forward, "1", "hello" },
        { &forward, "2.HEADER",
          "Subject: in\r\nContent-Type: multipart/alternative; "
          "boundary=i\r\n\r\n" },
        { &forward, "2.HEADER.FIELDS (SUBJECT)", "Subject: in\r\n\r\n" },
        { &forward, "2.1", "one" },
        { &forward, "2.1.MIME", "X: y\r\n\r\n" },
        { &forward, "2.2", "two" },
        { &forward, "2.3", NULL },
        { &attached, "1", "A: b\r\n\r\nin\r\n" },
        { &attached, "1.HEADER", "A: b\r\n\r\n" },
        { &attached, "1.TEXT", "in\r\n" },
        { &attached, "1.1", "in\r\n" },
        { &attached, "1.1.1", NULL },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct imap_structure_section s;
        str_t out;
        enum rc rc;

        assert_int_equal(imap_structure_section_parse(a, str_of(cases[i].section), &s),
                         RC_OK);
        rc = imap_structure_section_get(a, *cases[i].message, &s, &out);
        if (rc != (cases[i].bytes == NULL ? RC_NOT_FOUND : RC_OK) ||
            !str_eq(out, str_of(cases[i].bytes)))
            print_error("case: %s\n", cases[i].section);
        assert_int_equal(rc, cases[i].bytes == NULL ? RC_NOT_FOUND : RC_OK);
        assert_true(str_eq(out, str_of(cases[i].bytes)));
    }
    arena_free(&a);
}

static size_t occurrences(str_t text, str_t word)
{
    size_t n = 0, at;

    for (; (at = str_find(text, word)) != SIZE_MAX; n++)
        text = str_skip(text, at + word.n);
    return n;
}

/* Nothing is left out without a sign, however many there are. */
static void many_addresses_and_parameters(void **state)
{
    enum { ADDRESSES = 5000, PARAMS = 1000 };
    struct arena *a = arena_new();
    struct buf *message = arena_buf(a, 1 << 20), *out = arena_buf(a, 1 << 24);

    (void)state;
    buf_puts(message, "To: ");
    for (int i = 0; i < ADDRESSES; i++)
        buf_printf(message, "%s a%d@b.org", i > 0 ? ",\r\n" : "", i);
    buf_puts(message, "\r\nContent-Type: text/plain");
    for (int i = 0; i < PARAMS; i++)
        buf_printf(message, ";\r\n p%d=v%d%s", i, i, i % 10 == 0 ? "; broken" : "");
    buf_puts(message, "\r\n\r\n");
    imap_structure_envelope(a, buf_str(message), out);
    assert_int_equal(occurrences(buf_str(out), S("\"b.org\"")), ADDRESSES);
    assert_int_equal(occurrences(buf_str(out), S("\"a4999\"")), 1);
    buf_clear(out);
    imap_structure_body(a, buf_str(message), true, out);
    assert_int_equal(occurrences(buf_str(out), S(" \"v")), PARAMS);
    assert_int_equal(occurrences(buf_str(out), S("broken")), 0);
    arena_free(&a);
}

/* What a part may ask for is bounded; the parts behind it are told by their size. */
static void parts_that_ask_for_much(void **state)
{
    enum { PARTS = 40, ADDRESSES = 30000 };
    struct arena *a = arena_new();
    struct buf *message = arena_buf(a, 1 << 24), *out = arena_buf(a, 1 << 26);

    (void)state;
    buf_puts(message, "Content-Type: multipart/digest; boundary=b\r\n\r\n");
    for (int i = 0; i < PARTS; i++) {
        buf_puts(message, "--b\r\n\r\nFrom: ");
        for (int k = 0; k < ADDRESSES; k++)
            buf_puts(message, "a,");
        buf_puts(message, "a\r\n\r\n\r\n");
    }
    buf_puts(message, "--b--\r\n");
    imap_structure_body(a, buf_str(message), true, out);
    assert_false(out->full);
    assert_true(out->n > IMAP_STRUCTURE_MAX_BYTES &&
                out->n < 2 * IMAP_STRUCTURE_MAX_BYTES);
    assert_int_equal(
        occurrences(buf_str(out), S("\"message\" \"rfc822\"")) +
            occurrences(buf_str(out), S(")(\"application\" \"octet-stream\"")),
        PARTS);
    arena_free(&a);
}

/* Their number does not multiply the cost of a header. */
static void many_names(void **state)
{
    enum { NAMES = 20000, FIELDS = 2000 };
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 1000000), *message = arena_buf(a, 1000000);
    struct imap_structure_section s;
    str_t out;

    (void)state;
    buf_puts(text, "HEADER.FIELDS (x-1999");
    for (int i = 0; i < NAMES; i++)
        buf_printf(text, " Y-%d", i);
    buf_puts(text, " X-7)");
    for (int i = 0; i < FIELDS; i++)
        buf_printf(message, "X-%d: v\r\n", i);
    assert_int_equal(imap_structure_section_parse(a, buf_str(text), &s), RC_OK);
    assert_int_equal(imap_structure_section_get(a, buf_str(message), &s, &out), RC_OK);
    assert_true(str_eq(out, S("X-7: v\r\nX-1999: v\r\n\r\n")));
    arena_free(&a);
}

static void section_grammar(void **state)
{
    static const char *const bad[] = {
        "MIME",
        "0",
        "1.",
        ".1",
        "1..2",
        "1.0",
        "FOO",
        "HEADERS",
        "1 2",
        "HEADER.FIELDS",
        "TEXT X",
        "HEADER.FIELDS ()",
        "1.FOO",
        "01x",
        "-1",
        "4294967297",
        "HEADER.FIELDS (A",
        "HEADER.FIELDS (\"A)",
    };
    static const struct {
        const char *text, *canonical;
    } good[] = {
        { "", "" },
        { "1.2.mime", "1.2.MIME" },
        { "header.fields (Date \"a b\")", "HEADER.FIELDS (Date \"a b\")" },
        { "3.header.fields.not (X)", "3.HEADER.FIELDS.NOT (X)" },
        { "text", "TEXT" },
    };
    struct arena *a = arena_new();
    struct imap_structure_section s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (imap_structure_section_parse(a, str_of(bad[i]), &s) != RC_INVALID)
            print_error("case: %s\n", bad[i]);
        assert_int_equal(imap_structure_section_parse(a, str_of(bad[i]), &s), RC_INVALID);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct buf *out = arena_buf(a, 1000);

        assert_int_equal(imap_structure_section_parse(a, str_of(good[i].text), &s),
                         RC_OK);
        imap_structure_section_format(&s, out);
        assert_true(str_eq(buf_str(out), str_of(good[i].canonical)));
    }
    assert_true(imap_structure_section_parse(a, S("HEADER"), &s) == RC_OK &&
                imap_structure_section_is_header(&s));
    assert_true(imap_structure_section_parse(a, S("1.HEADER"), &s) == RC_OK &&
                !imap_structure_section_is_header(&s));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes),
        cmocka_unit_test(structures),
        cmocka_unit_test(sections),
        cmocka_unit_test(many_addresses_and_parameters),
        cmocka_unit_test(parts_that_ask_for_much),
        cmocka_unit_test(many_names),
        cmocka_unit_test(section_grammar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
