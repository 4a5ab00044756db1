#include "template.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct template_value values[] = {
    { "name", STR("a<b>&\"'c") },
    { "markup", STR("<i>x</i>") },
    { "full", STR("yes") },
    { "empty", STR("") },
};

static const struct {
    const char *what, *text, *want;
} cases[] = {
    { "no hole", "plain } text { here", "plain } text { here" },
    { "escaped", "<p>{{name}}</p>", "<p>a&lt;b&gt;&amp;&quot;&#39;c</p>" },
    { "markup as it is", "[{{&markup}}]", "[<i>x</i>]" },
    { "markup escaped without the sign", "{{markup}}", "&lt;i&gt;x&lt;/i&gt;" },
    { "section that stays", "1{{#full}}2{{/full}}3", "123" },
    { "section that goes", "1{{#empty}}2{{/empty}}3", "13" },
    { "inverted stays", "1{{^empty}}2{{/empty}}3", "123" },
    { "inverted goes", "1{{^full}}2{{/full}}3", "13" },
    { "nested in one that goes", "1{{#empty}}2{{#full}}3{{full}}{{/full}}4{{/empty}}5",
      "15" },
    { "nested in one that stays", "1{{#full}}2{{^empty}}3{{/empty}}4{{/full}}5",
      "12345" },
    { "empty template", "", "" },
};

static void test_render(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf *out = arena_buf(a, 4096);

        template_render(str_of(cases[i].text), values, ARRAY_LEN(values), out);
        buf_putc(out, '\0');
        if (!str_eq(str_of(out->p), str_of(cases[i].want)))
            fail_msg("%s: got %s", cases[i].what, out->p);
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_render) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
