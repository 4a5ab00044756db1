#include "qr.h"

#include "base/arena.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* That the codes can be read is shown by zbarimg in tests/integration/test_registrar.py;
 * here: sizes, quiet zone, limits. */

static struct qr encode(struct arena *a, const char *text, enum qr_level level)
{
    struct qr qr;

    assert_int_equal(qr_encode(a, str_of(text), level, &qr), RC_OK);
    return qr;
}

static void test_finder_patterns(void **state)
{
    struct arena *a = arena_new();
    struct qr qr = encode(a, "DCACCOUNT:https://chat.example/new", QR_LEVEL_HIGH);

    (void)state;
    assert_int_equal(qr.width, 33); /* version 4: 34 bytes at level H */
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(qr.module[i], 1);
        assert_int_equal(qr.module[qr.width - 1 - i], 1);
        assert_int_equal(qr.module[(qr.width - 1) * qr.width + i], 1);
    }
    assert_int_equal(qr.module[7], 0);
    arena_free(&a);
}

static void test_level_costs_size(void **state)
{
    struct arena *a = arena_new();
    const char *text = "a text of some length that shows the difference of the levels";

    (void)state;
    assert_true(encode(a, text, QR_LEVEL_HIGH).width >
                encode(a, text, QR_LEVEL_LOW).width);
    arena_free(&a);
}

static void test_too_long(void **state)
{
    struct arena *a = arena_new();
    char text[3001];
    struct qr qr;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(qr_encode(a, str_of(text), QR_LEVEL_LOW, &qr), RC_LIMIT);
    text[1500] = '\0';
    assert_int_equal(qr_encode(a, str_of(text), QR_LEVEL_HIGH, &qr), RC_LIMIT);
    assert_int_equal(qr_encode(a, str_of(text), QR_LEVEL_LOW, &qr), RC_OK);
    assert_int_equal(qr_encode(a, S(""), QR_LEVEL_LOW, &qr), RC_LIMIT);
    arena_free(&a);
}

static unsigned big_endian(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (unsigned)u[0] << 24 | (unsigned)u[1] << 16 | (unsigned)u[2] << 8 | u[3];
}

static void test_png_size(void **state)
{
    struct arena *a = arena_new();
    struct buf *png = arena_buf(a, 1 << 20);
    struct buf *small = arena_buf(a, 64);
    struct qr qr = encode(a, "dcaccount:chat.example", QR_LEVEL_HIGH);

    (void)state;
    assert_int_equal(qr_png(a, &qr, 384, png), RC_OK);
    assert_memory_equal(png->p, "\x89PNG\r\n\x1a\n", 8);
    assert_true(big_endian(png->p + 16) >= 384);
    assert_int_equal(big_endian(png->p + 16) % (qr.width + 8), 0); /* whole pixels */
    assert_int_equal(big_endian(png->p + 16), big_endian(png->p + 20));
    assert_int_equal(qr_png(a, &qr, 384, small), RC_LIMIT);
    arena_free(&a);
}

static void test_svg_covers_each_dark_module(void **state)
{
    struct arena *a = arena_new();
    struct buf *svg = arena_buf(a, 1 << 20);
    struct qr qr = encode(a, "dcaccount:chat.example", QR_LEVEL_HIGH);
    unsigned dark = 0, drawn = 0;
    const char *p;

    (void)state;
    for (unsigned i = 0; i < qr.width * qr.width; i++)
        dark += qr.module[i];
    qr_svg(&qr, "code", svg);
    buf_putc(svg, '\0');
    p = strstr(svg->p, "fill=\"#000\"");
    assert_non_null(p);
    while ((p = strchr(p, 'h')) != NULL) {
        long n = strtol(p + 1, NULL, 10);

        drawn += n > 0 ? (unsigned)n : 0;
        p++;
    }
    assert_int_equal(drawn, dark);
    arena_free(&a);
}

static void test_terminal_lines(void **state)
{
    struct arena *a = arena_new();
    struct buf *plain = arena_buf(a, 1 << 20), *colour = arena_buf(a, 1 << 20);
    struct qr qr = encode(a, "dcaccount:chat.example", QR_LEVEL_LOW);
    unsigned lines = 0;

    (void)state;
    qr_terminal(&qr, false, plain);
    qr_terminal(&qr, true, colour);
    for (size_t i = 0; i < plain->n; i++)
        lines += plain->p[i] == '\n';
    assert_int_equal(lines, (qr.width + 4 + 1) / 2);
    assert_int_equal(str_find_char(buf_str(plain), '\033'), SIZE_MAX);
    assert_int_equal(str_find_char(buf_str(colour), '\033'), 0);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finder_patterns),
        cmocka_unit_test(test_level_costs_size),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_png_size),
        cmocka_unit_test(test_svg_covers_each_dark_module),
        cmocka_unit_test(test_terminal_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
