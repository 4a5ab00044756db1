/* log_test.c - one line per event, whatever is in it, as text and as JSON. */
#include "base/log.h"

#include "base/check_test.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <inttypes.h>
#include <stddef.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LINE_MAX_BYTES = 4096, OUTPUT_MAX_BYTES = 1 << 20 };

static char output[OUTPUT_MAX_BYTES];
static int normal_stderr, file;

static void begin(void)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    normal_stderr = dup(STDERR_FILENO);
    file = dup(fileno(f));
    fclose(f);
    assert_true(dup2(file, STDERR_FILENO) == STDERR_FILENO);
}

/* What was logged since begin. */
static str_t logged(void)
{
    ssize_t n = pread(file, output, sizeof(output), 0);

    assert_true(dup2(normal_stderr, STDERR_FILENO) == STDERR_FILENO);
    close(normal_stderr);
    close(file);
    assert_in_range(n, 0, sizeof(output) - 1);
    return str_n(output, (size_t)n);
}

static bool is_digits(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* 2025-01-31T12:34:56.789Z */
static void assert_time(str_t s)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    assert_int_equal(s.n, sizeof(shape) - 1);
    for (size_t i = 0; i < s.n; i++)
        assert_true(shape[i] == 'd' ? is_digits(str_n(s.p + i, 1)) : s.p[i] == shape[i]);
}

/* The line without its time, which must be the only one. */
static void assert_text_line(str_t got, const char *rest)
{
    assert_true(got.n > 25);
    assert_time(str_head(got, 24));
    assert_int_equal(got.n - 24, strlen(rest));
    assert_memory_equal(got.p + 24, rest, strlen(rest));
}

static void test_text(void **state)
{
    (void)state;
    log_init("a-service", LOG_LEVEL_INFO, false);
    begin();
    log_info("smtp.accepted", "queue=%d size=%s", 7, "12");
    assert_text_line(logged(), " info  a-service smtp.accepted queue=7 size=12\n");
    begin();
    log_context("session=%s", "ab12");
    log_warn("queue.deferred", "reason=\"%s\"", "no route");
    log_context_clear();
    assert_text_line(
        logged(), " warn  a-service queue.deferred session=ab12 reason=\"no route\"\n");
    begin();
    log_error("service.stopped", " ");
    assert_text_line(logged(), " error a-service service.stopped  \n");
}

static void test_levels(void **state)
{
    static const char *const names[] = { " error ", " warn ", " info ", " debug " };

    (void)state;
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        str_t all;

        log_init("s", (enum log_level)level, false);
        begin();
        log_error("e", "x");
        log_warn("e", "x");
        log_info("e", "x");
        log_debug("e", "x");
        all = logged();
        for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
            assert_true((str_find(all, str_of(names[i])) != SIZE_MAX) == (i <= level));
            assert_true(log_enabled((enum log_level)i) == (i <= level));
        }
    }
}

static size_t count_lines(str_t s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* What a remote host says must not forge a line or a field, nor move a terminal's cursor.
 */
static void test_hostile_text_is_escaped(void **state)
{
    (void)state;
    log_init("s", LOG_LEVEL_INFO, false);
    begin();
    log_info("e", "reply=\"%s\"", "no\r\n2025 error s forged\x1b[2J\x7f\t.");
    assert_text_line(logged(), " info  s e reply=\"no\\r\\n2025 error s forged\\x1b[2J"
                               "\\x7f\\t.\"\n");
    begin();
    log_info("e", "host=%s n=%d", "a b=c", 1);
    assert_text_line(logged(), " info  s e host=\"a b=c\" n=1\n");
    begin();
    log_info("e", "host=%.*s reply=\"%.*s\"", 3, "a\"b", 7, "no\" n=2");
    assert_text_line(logged(), " info  s e host=\"a\\\"b\" reply=\"no\\\" n=2\"\n");
}

static void test_numbers(void **state)
{
    (void)state;
    log_init("s", LOG_LEVEL_INFO, false);
    begin();
    log_info("e", "%d %d %u %x %c", -7, INT32_MIN, 7u, 255u, 'c');
    assert_text_line(logged(), " info  s e -7 -2147483648 7 ff c\n");
    begin();
    log_info("e", "%" PRId64 " %" PRId64 " %" PRIu64 " %016" PRIx64, INT64_MIN, INT64_MAX,
             UINT64_MAX, UINT64_C(0xabc));
    assert_text_line(logged(), " info  s e -9223372036854775808 9223372036854775807 "
                               "18446744073709551615 0000000000000abc\n");
    begin();
    log_info("e", "%zu %zd %ld %lld %llu %jd", (size_t)1, (ssize_t)-2, 3L, -4LL, 5ULL,
             (intmax_t)6);
    assert_text_line(logged(), " info  s e 1 -2 3 -4 5 6\n");
    begin();
    log_info("e", "a=%d b=%.1f c=%d", 1, 2.0, 3); /* nobody writes such numbers */
    assert_text_line(logged(), " info  s e a=1 b=?\n");
}

/* ---- a line read back ---- */

/* The value behind key=, which ends at a blank or its quote. */
static str_t read_value(str_t *fields, const char *key, char *to)
{
    size_t n = 0;
    bool quoted;

    assert_true(str_starts(*fields, str_of(key)));
    *fields = str_skip(*fields, strlen(key));
    quoted = fields->n > 0 && fields->p[0] == '"';
    for (size_t at = quoted; at < fields->n; at++) {
        char c = fields->p[at];

        if (c == (quoted ? '"' : ' ')) {
            *fields = str_skip(*fields, at + 1 + quoted);
            return str_n(to, n);
        }
        if (c == '\\') {
            c = fields->p[++at];
            if (c == 'x') {
                c = (char)(str_hex_value(fields->p[at + 1]) << 4 |
                           str_hex_value(fields->p[at + 2]));
                at += 2;
            } else if (c == 'n' || c == 'r' || c == 't') {
                c = c == 'n' ? '\n' : c == 'r' ? '\r' : '\t';
            } else {
                assert_true(c == '"' || c == '\\');
            }
        }
        to[n++] = c;
    }
    fail_msg("%s has no end", key);
    return S("");
}

static void test_lines_can_be_read_back(void **state)
{
    static const char bytes[] = " ab=\"\\\n\r\t\x01\x1f\x7f\x80\xff\xc3\xa4\xc2\x9bnx0";
    char value[40], to[LINE_MAX_BYTES];
    unsigned random = 1;

    (void)state;
    log_init("s", LOG_LEVEL_INFO, false);
    for (int turn = 0; turn < 2000; turn++) {
        size_t n = 0;
        str_t got;

        for (; n < (size_t)turn % sizeof(value); n++) {
            random = random * 1103515245 + 12345;
            value[n] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
        }
        begin();
        log_info("e", "a=%.*s b=\"%.*s\" c=%d", (int)n, value, (int)n, value, turn);
        got = logged();
        got = str_skip(got, str_find(got, S(" s e ")) + 5);
        assert_true(str_eq(read_value(&got, "a=", to), str_n(value, n)));
        assert_true(str_eq(read_value(&got, "b=", to), str_n(value, n)));
        assert_true(str_starts(got, S("c=")));
    }
}

/* ---- JSON, read strictly: one object of strings ---- */

static size_t pass(str_t s, size_t at, const char *text)
{
    assert_true(str_starts(str_skip(s, at), str_of(text)));
    return at + strlen(text);
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, p[i]);

        assert_true(p[i] != '\0' && d != NULL);
        v = v << 4 | (unsigned)(d - digits);
    }
    return v;
}

/* The bytes behind "name":" up to its closing quote; *end is behind that. */
static str_t json_member(str_t s, size_t *end, const char *before, char *to)
{
    size_t at = pass(s, *end, before), n = 0;

    while (s.p[at] != '"') {
        assert_true((unsigned char)s.p[at] >= 0x20 && s.p[at] != 0x7f);
        if (s.p[at] != '\\') {
            to[n++] = s.p[at++];
        } else if (s.p[at + 1] == 'u') {
            to[n++] = (char)hex4(s.p + at + 2);
            at += 6;
        } else {
            assert_true(s.p[at + 1] == '"' || s.p[at + 1] == '\\');
            to[n++] = s.p[at + 1];
            at += 2;
        }
        assert_true(at < s.n);
    }
    *end = at + 1;
    return str_n(to, n);
}

struct json_line {
    str_t ts, level, service, event, context, fields;
    char bytes[6][LINE_MAX_BYTES];
};

static void json_read(str_t s, struct json_line *out)
{
    size_t at = 0;

    assert_in_range(s.n, 1, LINE_MAX_BYTES);
    out->ts = json_member(s, &at, "{\"ts\":\"", out->bytes[0]);
    out->level = json_member(s, &at, ",\"level\":\"", out->bytes[1]);
    out->service = json_member(s, &at, ",\"service\":\"", out->bytes[2]);
    out->event = json_member(s, &at, ",\"event\":\"", out->bytes[3]);
    out->context = json_member(s, &at, ",\"context\":\"", out->bytes[4]);
    out->fields = json_member(s, &at, ",\"fields\":\"", out->bytes[5]);
    assert_int_equal(pass(s, at, "}\n"), s.n);
}

static struct json_line line;

static void test_json(void **state)
{
    (void)state;
    log_init("a-service", LOG_LEVEL_INFO, true);
    begin();
    log_context("session=\"%s\"", "a\\b");
    log_info("smtp.accepted", "name=\"%s\" path=%s reply=%s", "x", "c:\\y",
             "no\r\n\"}\xff\xc3\xa4\x01\x7f");
    log_context_clear();
    json_read(logged(), &line);
    assert_time(line.ts);
    assert_true(str_eq(line.level, S("info")));
    assert_true(str_eq(line.service, S("a-service")));
    assert_true(str_eq(line.event, S("smtp.accepted")));
    assert_true(str_eq(line.context, S("session=\"a\\\\b\"")));
    assert_true(str_eq(line.fields, S("name=\"x\" path=\"c:\\\\y\" "
                                      "reply=\"no\\r\\n\\\"}\\xff\xc3\xa4\\x01\\x7f\"")));
}

/* Whatever is too long is cut, and what is left is a whole line. */
static void test_long_lines_are_cut(void **state)
{
    static const char kinds[] = { 'x', '"', '\\', '\n', '\xc3' };
    static char text[10000];
    str_t got;

    (void)state;
    memset(text, 's', sizeof(text) - 1);
    log_init(text, LOG_LEVEL_INFO, false);
    begin();
    log_info("e", "f");
    got = logged();
    assert_int_equal(count_lines(got), 1);
    assert_true(got.n < LINE_MAX_BYTES && got.p[got.n - 1] == '\n');
    for (size_t i = 0; i < sizeof(kinds); i++) {
        memset(text, kinds[i], sizeof(text) - 1);
        log_init("s", LOG_LEVEL_INFO, false);
        begin();
        log_context("%s", text);
        log_info("e", "%s", text);
        got = logged();
        assert_in_range(got.n, 1000, LINE_MAX_BYTES);
        assert_true(got.p[got.n - 1] == '\n');
        log_init("s", LOG_LEVEL_INFO, true);
        begin();
        log_info("e", "%s", text);
        json_read(logged(), &line);
        log_context_clear();
        assert_true(line.context.n > 0 && line.fields.n > 100);
        assert_true(line.fields.p[line.fields.n - 1] == (kinds[i] == 'x' ? 'x' : '"'));
    }
}

static void assert_clean(str_t got)
{
    assert_true(str_ends_nocase(got, S("\n")));
    for (size_t i = 0; i < got.n - 1;) {
        size_t n = str_utf8_bytes(str_skip(got, i));

        assert_true(n > 0);
        assert_true((unsigned char)got.p[i] >= 0x20 && got.p[i] != 0x7f);
        i += n;
    }
}

static const struct {
    const char *value, *seen;
} cases[] = {
    { "550 gr\xc3\xbc\xc3\x9f dich", "x=\"550 gr\xc3\xbc\xc3\x9f dich\"" },
    { "gr\xc3\xbc\xc3\x9f", "x=gr\xc3\xbc\xc3\x9f\n" },
    { "", "x=\"\"" },
    { "latin\xe9 end", "x=\"latin\\xe9 end\"" },
    { "\xc0\xaf\xed\xa0\x80\xf5", "x=\"\\xc0\\xaf\\xed\\xa0\\x80\\xf5\"" },
    { "cut\xe2\x82", "x=\"cut\\xe2\\x82\"" },
    { "a\r\nb\x1b[2J\x7f", "x=\"a\\r\\nb\\x1b[2J\\x7f\"" },
    { "\xc2\x9b"
      "2J",
      "x=\"\\xc2\\x9b2J\"" }, /* the same control in one byte of Latin-1 */
};

/* As text and as JSON. */
static void test_lines_are_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        str_t got;

        log_init("s", LOG_LEVEL_INFO, i % 2 == 1);
        begin();
        log_info("e", "x=%s", cases[i / 2].value);
        got = logged();
        assert_clean(got);
        assert_true(i % 2 == 1 || str_find(got, str_of(cases[i / 2].seen)) != SIZE_MAX);
    }
}

/* Lines are cut somewhere: never within a character. */
static void test_cuts_are_between_characters(void **state)
{
    char fields[4000];

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        memset(fields, 'x', shift);
        for (size_t i = shift; i + 5 < sizeof(fields); i += 4)
            memcpy(fields + i, "\xf0\x9f\x98\x80", 5);
        log_init("s", LOG_LEVEL_INFO, shift % 2 == 0);
        begin();
        log_info("e", "%s", fields);
        assert_clean(logged());
    }
}

enum { THREADS = 4, LINES_EACH = 500 };

static void *log_many(void *letter)
{
    char text[200];

    memset(text, *(const char *)letter, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_context("c=%c", *(const char *)letter);
    for (int i = 0; i < LINES_EACH; i++)
        log_info("e", "%s", text);
    return NULL;
}

/* Each line whole, with its own thread's words before it. */
static void test_threads_do_not_mix(void **state)
{
    static char letters[THREADS] = { 'a', 'b', 'c', 'd' };
    pthread_t thread[THREADS];
    str_t all, one;

    (void)state;
    log_init("s", LOG_LEVEL_INFO, false);
    begin();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, log_many, &letters[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    all = logged();
    assert_int_equal(count_lines(all), THREADS * LINES_EACH);
    while (str_split(&all, '\n', &one)) {
        size_t at = str_find(one, S(" e c="));
        char letter;

        assert_true(at != SIZE_MAX && one.n == at + 5 + 1 + 1 + 199);
        letter = one.p[at + 5];
        for (size_t i = at + 7; i < one.n; i++)
            assert_int_equal(one.p[i], letter);
    }
}

static void broken(void *arg)
{
    (void)arg;
    dup2(file, STDERR_FILENO);
    CHECK(1 + 1 == 3);
}

static void test_check_says_where_and_aborts(void **state)
{
    str_t said;

    (void)state;
    log_init("s", LOG_LEVEL_ERROR, false);
    begin();
    assert_true(check_test_aborts(broken, NULL));
    said = logged();
    assert_true(str_find(said, S(" error s bug.check_failed condition=\"1 + 1 == 3\" "
                                 "file=common/base/log_test.c line=")) != SIZE_MAX);
    CHECK(1 + 1 == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_hostile_text_is_escaped),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_lines_can_be_read_back),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_lines_are_utf8),
        cmocka_unit_test(test_cuts_are_between_characters),
        cmocka_unit_test(test_threads_do_not_mix),
        cmocka_unit_test(test_check_says_where_and_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
