/* view_test.c - sequence numbers follow what the client was told, and nothing else. */
#include "view.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/store_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;
static struct buf *out;

/* UIDs 10, 20, .. as sequence numbers 1, 2, .. */
static struct view *view_of(uint32_t count)
{
    struct view *v = mem_alloc(sizeof *v);

    v->rows = mem_alloc((count + 1) * sizeof v->rows[0]);
    v->count = v->room = count;
    v->uidnext = 10 * count + 1;
    for (uint32_t i = 0; i < count; i++)
        v->rows[i].uid = 10 * (i + 1);
    return v;
}

static void said(const char *text)
{
    assert_string_equal(arena_cstr(arena, buf_str(out)), text);
    buf_clear(out);
}

static void resolves(const struct view *v, const char *set, bool uids, const char *wanted)
{
    struct buf *text = arena_buf(arena, 1000);
    struct view_list list;

    assert_int_equal(view_resolve(v, arena, str_of(set), uids, &list), RC_OK);
    for (size_t i = 0; i < list.n; i++)
        buf_printf(text, "%u ", v->rows[list.index[i]].uid);
    assert_string_equal(arena_cstr(arena, buf_str(text)), wanted);
}

static void test_resolve(void **state)
{
    static const char *const beyond[] = { "5", "3:9", "1,5,2", "5:*", "4294967295" };
    struct view *v = view_of(4);
    struct view *empty = view_of(0);
    struct view_list list;

    (void)state;
    resolves(v, "1:*", false, "10 20 30 40 ");
    resolves(v, "4,2", false, "20 40 ");
    resolves(v, "1:25", true, "10 20 ");
    resolves(v, "15:*", true, "20 30 40 ");
    resolves(v, "99:*", true, "40 ");
    resolves(v, "11:19", true, "");
    resolves(v, "20,20,20:30", true, "20 30 ");
    resolves(empty, "1:*", true, "");
    for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
        assert_int_equal(view_resolve(v, arena, str_of(beyond[i]), false, &list),
                         RC_NOT_FOUND);
    assert_int_equal(view_resolve(empty, arena, S("*"), false, &list), RC_NOT_FOUND);
    assert_int_equal(view_resolve(empty, arena, S("1:*"), false, &list), RC_NOT_FOUND);
    view_free(&v);
    view_free(&empty);
}

static void test_expunge_numbers(void **state)
{
    struct view *v = view_of(5);
    uint32_t gone[] = { 5, 10, 30, 40, 99 };
    struct store_message_uids uids = { gone, 5 };

    (void)state;
    view_expunge(v, &uids, out);
    /* Each number counts what is left at that moment (RFC 9051 7.5.1). */
    said("* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n");
    assert_int_equal(v->count, 2);
    resolves(v, "1:*", false, "20 50 ");
    view_expunge(v, &uids, out);
    said("");
    view_free(&v);
}

static void test_flags_are_told_once(void **state)
{
    struct view *v = view_of(2);
    struct store_message changed[] = { { .uid = 20, .flags = STORE_FLAGS_SEEN },
                                       { .uid = 25, .flags = STORE_FLAGS_SEEN } };
    struct store_message_list list = { changed, 2 };

    (void)state;
    view_flags(v, &list, out);
    said("* 2 FETCH (UID 20 FLAGS (\\Seen))\r\n");
    view_flags(v, &list, out);
    said("");
    view_free(&v);
}

/* Somebody else has made the same change before: the store has nothing to change, and the
 * client learns its flags all the same. */
static void test_a_change_counts_though_it_was_made_before(void **state)
{
    static const struct {
        enum store_message_how how;
        uint32_t flags, wanted;
    } cases[] = {
        { STORE_MESSAGE_ADD, STORE_FLAGS_SEEN, STORE_FLAGS_SEEN | STORE_FLAGS_FLAGGED },
        { STORE_MESSAGE_REMOVE, STORE_FLAGS_FLAGGED, 0 },
        { STORE_MESSAGE_REMOVE, STORE_FLAGS_SEEN, STORE_FLAGS_FLAGGED },
        { STORE_MESSAGE_REPLACE, STORE_FLAGS_DELETED, STORE_FLAGS_DELETED },
        { STORE_MESSAGE_REPLACE, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct view *v = view_of(3);
        struct store_message_change change = { .how = cases[i].how,
                                               .flags = cases[i].flags };
        struct view_list list;

        for (uint32_t k = 0; k < v->count; k++)
            v->rows[k].flags = STORE_FLAGS_FLAGGED;
        assert_int_equal(view_resolve(v, arena, S("10,30"), true, &list), RC_OK);
        view_change(v, &list, &change);
        assert_int_equal(v->rows[0].flags, cases[i].wanted);
        assert_int_equal(v->rows[1].flags, STORE_FLAGS_FLAGGED);
        assert_int_equal(v->rows[2].flags, cases[i].wanted);
        view_free(&v);
    }
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    out = arena_buf(arena, 10000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_expunge_numbers),
        cmocka_unit_test(test_flags_are_told_once),
        cmocka_unit_test(test_a_change_counts_though_it_was_made_before),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
