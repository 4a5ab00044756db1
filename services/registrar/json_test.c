#include "json.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_credentials(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1024);

    (void)state;
    json_credentials(S("abc@x.example"), S("p\"\\q"), S(""), out);
    assert_true(str_eq(buf_str(out),
                       S("{\"email\":\"abc@x.example\",\"password\":\"p\\\"\\\\q\"}\n")));
    buf_clear(out);
    json_credentials(S("a@x"), S("p"), S("dclogin:a@x?p=p&v=1"), out);
    assert_true(str_eq(buf_str(out), S("{\"email\":\"a@x\",\"password\":\"p\","
                                       "\"dclogin_url\":\"dclogin:a@x?p=p&v=1\"}\n")));
    arena_free(&a);
}

static void test_reason(void **state)
{
    struct arena *a = arena_new();
    struct buf *out = arena_buf(a, 1024);
    struct buf *small = arena_buf(a, 8);

    (void)state;
    json_reason(S("no \"more\""), out);
    assert_true(str_eq(buf_str(out), S("{\"reason\":\"no \\\"more\\\"\"}\n")));
    json_reason(S("does not fit"), small);
    assert_true(small->full);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
