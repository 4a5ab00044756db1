/* dkim_canon_test.c - RFC 6376's examples, and every short body in every two pieces
 * against the rules taken literally.
 */
#include "mail/dkim_canon.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 256 };

struct out {
    char plain[OUT_MAX], stuffed[OUT_MAX];
    size_t plain_n, stuffed_n;
};

static void take(void *context, str_t piece, bool stuffing)
{
    struct out *o = context;

    assert_true(o->stuffed_n + piece.n <= OUT_MAX && piece.n > 0);
    memcpy(o->stuffed + o->stuffed_n, piece.p, piece.n);
    o->stuffed_n += piece.n;
    if (stuffing)
        return;
    memcpy(o->plain + o->plain_n, piece.p, piece.n);
    o->plain_n += piece.n;
}

/* Fed in pieces that end at first, and of step bytes behind it. */
static void stream(enum dkim_canon canon, str_t body, size_t first, size_t step,
                   struct out *o)
{
    struct dkim_canon_body b;
    str_t rest = str_skip(body, first);

    o->plain_n = o->stuffed_n = 0;
    dkim_canon_body_init(&b, canon, take, o);
    dkim_canon_body_feed(&b, str_head(body, first));
    for (; rest.n > 0; rest = str_skip(rest, step))
        dkim_canon_body_feed(&b, str_head(rest, step));
    dkim_canon_body_end(&b);
}

/* RFC 6376 3.4.3 and 3.4.4, one line after the other; the result's length. */
static size_t literally(enum dkim_canon canon, str_t body, bool stuffed, char *to)
{
    size_t n = 0, end = 0;

    while (body.n > 0) {
        size_t at = str_find(body, S("\r\n"));
        str_t line = str_head(body, at);

        body = at == SIZE_MAX ? S("") : str_skip(body, at + 2);
        if (stuffed && str_starts(line, S(".")))
            to[n++] = '.';
        for (size_t i = 0; i < line.n; i++) {
            bool is_blank = line.p[i] == ' ' || line.p[i] == '\t';

            if (canon == DKIM_CANON_RELAXED && is_blank) {
                if (i > 0 && (line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
                    continue;
                to[n++] = ' ';
            } else {
                to[n++] = line.p[i];
            }
        }
        while (canon == DKIM_CANON_RELAXED && n > end && to[n - 1] == ' ')
            n--;
        to[n++] = '\r';
        to[n++] = '\n';
        end = n;
    }
    while (n >= 4 && memcmp(to + n - 4, "\r\n\r\n", 4) == 0)
        n -= 2;
    if (canon == DKIM_CANON_RELAXED && n == 2)
        n = 0;
    if (canon == DKIM_CANON_SIMPLE && n == 0) {
        memcpy(to, "\r\n", 2);
        n = 2;
    }
    return n;
}

static void check(str_t body, size_t first, size_t step)
{
    for (int i = 0; i < DKIM_CANON_COUNT; i++) {
        char plain[OUT_MAX], stuffed[OUT_MAX];
        enum dkim_canon canon = (enum dkim_canon)i;
        size_t plain_n = literally(canon, body, false, plain);
        size_t stuffed_n = literally(canon, body, true, stuffed);
        struct out o;

        stream(canon, body, first, step, &o);
        if (!str_eq(str_n(o.plain, o.plain_n), str_n(plain, plain_n)) ||
            !str_eq(str_n(o.stuffed, o.stuffed_n), str_n(stuffed, stuffed_n)))
            fail_msg("canon %d, \"%.*s\" cut at %zu: got \"%.*s\"", i, STR_ARG(body),
                     first, (int)o.plain_n, o.plain);
    }
}

/* The characters that matter, in all bodies of up to six of them. */
static void every_short_body_in_every_two_pieces(void **state)
{
    static const char letters[] = { '\r', '\n', ' ', '\t', '.', 'x' };
    enum { LENGTH = 6 };
    char body[LENGTH];

    (void)state;
    for (size_t n = 0, count = 1; n <= LENGTH; n++, count *= sizeof(letters)) {
        for (size_t k = 0; k < count; k++) {
            for (size_t i = 0, rest = k; i < n; i++, rest /= sizeof(letters))
                body[i] = letters[rest % sizeof(letters)];
            for (size_t first = 0; first <= n; first++)
                check(str_n(body, n), first, n);
            check(str_n(body, n), 0, 1);
        }
    }
}

static void many_lines(void **state)
{
    static const str_t body =
        STR(" a  b \r\n\r\n..\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
            "\r\n\r\n\r\n\r\n\r\n\t.c\t\r\n.\r\r\n \r\n\r\n  \r\n");

    (void)state;
    for (size_t first = 0; first <= body.n; first++) {
        for (size_t step = 1; step < 8; step++)
            check(body, first, step);
    }
}

/* RFC 6376 3.4.5. */
static void examples(void **state)
{
    static const str_t body = STR(" C \r\nD \t E\r\n\r\n\r\n");
    struct out o;

    (void)state;
    stream(DKIM_CANON_RELAXED, body, 0, 1, &o);
    assert_true(str_eq(str_n(o.plain, o.plain_n), S(" C\r\nD E\r\n")));
    stream(DKIM_CANON_SIMPLE, body, 0, 1, &o);
    assert_true(str_eq(str_n(o.plain, o.plain_n), S(" C \r\nD \t E\r\n")));
    stream(DKIM_CANON_SIMPLE, S(""), 0, 1, &o);
    assert_true(str_eq(str_n(o.plain, o.plain_n), S("\r\n")));
    stream(DKIM_CANON_RELAXED, S("\r\n \r\n"), 0, 1, &o);
    assert_int_equal(o.plain_n, 0);
}

/* What is the same in both forms is not copied: one piece, of the input. */
static void one_piece(void *context, str_t piece, bool stuffing)
{
    str_t *got = context;

    assert_false(stuffing);
    if (got->n == 0)
        *got = piece;
    else
        assert_true(str_eq(piece, S("\r\n")));
}

static void copies_nothing(void **state)
{
    static const str_t body = STR("one two\r\n\r\n three\r\nfour\r\n");

    (void)state;
    for (int i = 0; i < DKIM_CANON_COUNT; i++) {
        struct dkim_canon_body b;
        str_t got = S("");

        dkim_canon_body_init(&b, (enum dkim_canon)i, one_piece, &got);
        dkim_canon_body_feed(&b, body);
        dkim_canon_body_end(&b);
        assert_ptr_equal(got.p, body.p);
        assert_int_equal(got.n, body.n - 2);
    }
}

static void fields(void **state)
{
    static const struct {
        str_t field, simple, relaxed;
    } cases[] = {
        { STR("A: X\r\n"), STR("A: X\r\n"), STR("a:X\r\n") },
        { STR("B : Y\t\r\n\tZ  \r\n"), STR("B : Y\t\r\n\tZ  \r\n"), STR("b:Y Z\r\n") },
        { STR("SubJect:\r\n x\r\n  \t y\r\n"), STR("SubJect:\r\n x\r\n  \t y\r\n"),
          STR("subject:x y\r\n") },
        { STR("C:\r\n"), STR("C:\r\n"), STR("c:\r\n") },
        { STR("D: \xc3\xa4: \r\n"), STR("D: \xc3\xa4: \r\n"), STR("d:\xc3\xa4:\r\n") },
        { STR("E:x"), STR("E:x\r\n"), STR("e:x\r\n") },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *simple = arena_buf(a, OUT_MAX), *relaxed = arena_buf(a, OUT_MAX);
        struct header_field f;
        struct header_iter it;

        header_init(&it, cases[i].field);
        assert_true(header_next(&it, &f));
        dkim_canon_field(simple, DKIM_CANON_SIMPLE, &f);
        dkim_canon_field(relaxed, DKIM_CANON_RELAXED, &f);
        assert_true(str_eq(buf_str(simple), cases[i].simple));
        assert_true(str_eq(buf_str(relaxed), cases[i].relaxed));
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_body_in_every_two_pieces),
        cmocka_unit_test(many_lines),
        cmocka_unit_test(examples),
        cmocka_unit_test(copies_nothing),
        cmocka_unit_test(fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
