/* buf_test.c - buffers never pass their limit, and a refused append changes nothing. */
#include "base/buf.h"

#include "base/arena.h"
#include "base/check_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 1000 };

static void assert_text(const struct buf *b, str_t text)
{
    assert_true(str_eq(buf_str(b), text));
}

static enum rc put_c_string(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

static enum rc put_str(struct buf *b, const char *text)
{
    return buf_put(b, str_of(text));
}

static enum rc put_chars(struct buf *b, const char *text)
{
    size_t n = b->n;

    for (const char *p = text; *p != '\0'; p++) {
        if (buf_putc(b, *p) != RC_OK) {
            buf_truncate(b, n);
            return RC_LIMIT;
        }
    }
    return RC_OK;
}

static enum rc put_format(struct buf *b, const char *text)
{
    return buf_printf(b, "%s", text);
}

static enum rc put_reserved(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    char *at = buf_reserve(b, n);

    if (at == NULL)
        return RC_LIMIT;
    memcpy(at, text, n);
    buf_commit(b, n);
    return RC_OK;
}

static enum rc (*const ways[])(struct buf *, const char *) = {
    put_c_string, buf_puts, put_str, put_chars, put_format, put_reserved,
};

/* To the last byte, and not one more; each way of appending, on heap and arena. */
static void fill(struct buf *b, enum rc (*put)(struct buf *, const char *))
{
    char nearly[MAX + 1];

    memset(nearly, 'n', sizeof(nearly));
    nearly[MAX - 3] = '\0';
    assert_int_equal(put(b, nearly), RC_OK);
    assert_int_equal(put(b, "four"), RC_LIMIT);
    assert_true(b->full);
    assert_int_equal(b->n, MAX - 3);
    assert_int_equal(put(b, "abc"), RC_OK); /* exactly full */
    assert_int_equal(b->n, MAX);
    assert_int_equal(put(b, "d"), RC_LIMIT);
    assert_int_equal(put(b, ""), RC_OK);
    assert_int_equal(b->n, MAX);
    assert_true(b->cap <= MAX);
    assert_memory_equal(b->p, nearly, MAX - 3);
    assert_memory_equal(b->p + MAX - 3, "abc", 3);
    assert_true(b->full); /* stays, so that a composer can look once at the end */
    buf_clear(b);
    assert_false(b->full);
    assert_int_equal(put(b, "again"), RC_OK);
    assert_text(b, S("again"));
}

static void test_limit(void **state)
{
    struct arena *a = arena_new();
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        buf_init(&b, MAX);
        fill(&b, ways[i]);
        buf_fini(&b);
        fill(arena_buf(a, MAX), ways[i]);
    }
    arena_free(&a);
}

static void test_nothing_fits_into_nothing(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        assert_int_equal(ways[i](&b, "x"), RC_LIMIT);
    assert_int_equal(buf_append(&b, "", 0), RC_OK);
    assert_int_equal(buf_str(&b).n, 0);
    buf_fini(&b);
}

/* A size from the network must not wrap around the limit. */
static void test_sizes_that_wrap(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, MAX);
    assert_int_equal(buf_puts(&b, "abc"), RC_OK);
    for (size_t less = 0; less < 8; less++) {
        assert_null(buf_reserve(&b, SIZE_MAX - less));
        assert_int_equal(buf_append(&b, "x", SIZE_MAX - less), RC_LIMIT);
    }
    assert_text(&b, S("abc"));
    buf_fini(&b);
}

static void test_dropping(void **state)
{
    struct buf b, other;

    (void)state;
    buf_init(&b, MAX);
    buf_init(&other, MAX);
    assert_int_equal(buf_append(&b, "ab\0cd", 5), RC_OK);
    buf_consume(&b, 2);
    assert_text(&b, S("\0cd"));
    buf_consume(&b, 0);
    buf_truncate(&b, 2);
    assert_text(&b, S("\0c"));
    assert_int_equal(buf_puts(&other, "other"), RC_OK);
    buf_swap(&b, &other);
    assert_text(&b, S("other"));
    assert_text(&other, S("\0c"));
    buf_consume(&other, 2);
    assert_text(&other, S(""));
    buf_fini(&b);
    assert_int_equal(buf_puts(&b, "after fini"), RC_OK);
    assert_text(&b, S("after fini"));
    buf_fini(&b);
    buf_fini(&other);
}

static void consume_more(void *b)
{
    buf_consume(b, 4);
}

static void truncate_up(void *b)
{
    buf_truncate(b, 4);
}

static void commit_unreserved(void *b)
{
    buf_commit(b, MAX + 1);
}

static void test_our_mistakes_abort(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, MAX);
    assert_int_equal(buf_puts(&b, "abc"), RC_OK);
    assert_true(check_test_aborts(consume_more, &b));
    assert_true(check_test_aborts(truncate_up, &b));
    assert_true(check_test_aborts(commit_unreserved, &b));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_nothing_fits_into_nothing),
        cmocka_unit_test(test_sizes_that_wrap),
        cmocka_unit_test(test_dropping),
        cmocka_unit_test(test_our_mistakes_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
