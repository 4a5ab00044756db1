/* spool_test.c - small, large, too many of all, too many of one. */
#include "net/spool.h"

#include "base/mem.h"
#include "net/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { SMALL_BYTES = 1000, TOTAL_CHUNKS = 8, OWNER_CHUNKS = 3, MIB = 1024 * 1024 };

static struct spool_room room = { .small_bytes = SMALL_BYTES };

static int setup(void **state)
{
    (void)state;
    room.chunks = limit_new(TOTAL_CHUNKS, OWNER_CHUNKS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(limit_total(room.chunks), 0);
    limit_free(&room.chunks);
    return 0;
}

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static struct spool *filled(uint64_t owner, size_t n, size_t piece)
{
    struct spool *s = spool_new(&room, owner);
    char *p = mem_alloc(n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = pattern(i);
    for (size_t i = 0; i < n; i += piece)
        spool_append(s, p + i, n - i < piece ? n - i : piece);
    mem_free(p);
    return s;
}

static void what_goes_in_comes_out(void **state)
{
    static const size_t sizes[] = { 0,
                                    1,
                                    SMALL_BYTES - 1,
                                    SMALL_BYTES,
                                    SMALL_BYTES + 1,
                                    50000,
                                    SPOOL_CHUNK_BYTES,
                                    SPOOL_CHUNK_BYTES + 1,
                                    3 * SPOOL_CHUNK_BYTES };
    static const size_t pieces[] = { 7, 1000, 100000, MIB };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < ARRAY_LEN(pieces); j++) {
            struct spool *s = filled(1, sizes[i], pieces[j]);
            str_t m;

            assert_int_equal(spool_finish(s, &m), RC_OK);
            assert_int_equal(m.n, sizes[i]);
            for (size_t k = 0; k < m.n; k++)
                assert_int_equal(m.p[k], pattern(k));
            assert_true((limit_total(room.chunks) > 0) == (sizes[i] > SMALL_BYTES));
            spool_free(&s);
            assert_null(s);
            assert_int_equal(limit_total(room.chunks), 0);
        }
    }
}

/* A stalled crowd from one network leaves room for everybody else. */
static void an_owner_has_a_part(void **state)
{
    struct spool *a = filled(1, 2 * SPOOL_CHUNK_BYTES, 5000);
    struct spool *b = filled(1, 2 * SPOOL_CHUNK_BYTES, 5000);
    struct spool *c = filled(1, SMALL_BYTES, 500), *d = filled(2, MIB / 2, 5000);
    str_t m;

    (void)state;
    assert_int_equal(spool_finish(a, &m), RC_OK);
    assert_int_equal(spool_finish(b, &m), RC_LIMIT);
    /* What is refused holds nothing, even while its client goes on sending. */
    spool_append(b, "more", 4);
    assert_int_equal(spool_finish(b, &m), RC_LIMIT);
    assert_int_equal(limit_total(room.chunks), 2 + 2); /* of a and d */
    assert_int_equal(spool_finish(c, &m), RC_OK);      /* small ones go on */
    assert_int_equal(spool_finish(d, &m), RC_OK);      /* and so do others */
    spool_free(&a);
    spool_free(&b);
    a = filled(1, 3 * SPOOL_CHUNK_BYTES, 5000); /* what was given back can be had */
    assert_int_equal(spool_finish(a, &m), RC_OK);
    spool_free(&a);
    spool_free(&c);
    spool_free(&d);
}

static void all_share_a_room(void **state)
{
    struct spool *s[4];
    str_t m;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        s[i] = filled(i + 1, 3 * SPOOL_CHUNK_BYTES, 5000);
    assert_int_equal(spool_finish(s[0], &m), RC_OK);
    assert_int_equal(spool_finish(s[1], &m), RC_OK);
    assert_int_equal(spool_finish(s[2], &m), RC_LIMIT);
    assert_int_equal(spool_finish(s[3], &m), RC_LIMIT);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        spool_free(&s[i]);
    s[0] = filled(0, TOTAL_CHUNKS * SPOOL_CHUNK_BYTES, 5000); /* nobody's part */
    assert_int_equal(spool_finish(s[0], &m), RC_OK);
    spool_free(&s[0]);
}

/* A room that is small in comparison still takes one message of the largest size. */
static void the_largest_message_fits(void **state)
{
    (void)state;
    limit_free(&room.chunks);
    room.chunks = spool_chunks_new(MIB, 2 * MIB);
    for (uint64_t owner = 1; owner < 3; owner++) {
        struct spool *s = filled(owner, 2 * MIB, 5000), *t;
        str_t m;

        assert_int_equal(spool_finish(s, &m), RC_OK);
        t = filled(3, MIB, 5000);
        assert_int_equal(spool_finish(t, &m), RC_LIMIT);
        spool_free(&s);
        spool_free(&t);
    }
    limit_free(&room.chunks);
    room.chunks = spool_chunks_new(30 * MIB, MIB);
    for (size_t i = 0; i < 41; i++)
        assert_int_equal(limit_take_key(room.chunks, 1), i < 40 ? RC_OK : RC_LIMIT);
    for (size_t i = 0; i < 40; i++)
        limit_give_key(room.chunks, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_in_comes_out, setup, teardown),
        cmocka_unit_test_setup_teardown(an_owner_has_a_part, setup, teardown),
        cmocka_unit_test_setup_teardown(all_share_a_room, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_message_fits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
