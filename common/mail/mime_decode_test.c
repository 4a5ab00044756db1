/* mime_decode_test.c - transfer encodings, in whatever pieces they come. */
#include "mail/mime_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    enum mime_encoding encoding;
    str_t in;
    bool fine;
    str_t out;
} cases[] = {
    { MIME_IDENTITY, STR("a=b"), true, STR("a=b") },
    { MIME_UNKNOWN, STR("a=b"), true, STR("a=b") },
    { MIME_BASE64, STR("aGVs\r\nbG8=\r\n"), true, STR("hello") },
    { MIME_BASE64, STR("aGVsbG8"), true, STR("hello") },
    { MIME_BASE64, STR(" aGV\ts b\nG8 = "), true, STR("hello") },
    { MIME_BASE64, STR(""), true, STR("") },
    { MIME_BASE64, STR("YQ=="), true, STR("a") },
    { MIME_BASE64, STR("YWI="), true, STR("ab") },
    { MIME_BASE64, STR("Y"), false, STR("") },
    { MIME_BASE64, STR("YWJjY"), false, STR("") },
    { MIME_BASE64, STR("Y!=="), false, STR("") },
    { MIME_BASE64, STR("YQ==YQ=="), false, STR("") },
    { MIME_BASE64, STR("YQ==="), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=3Db=\r\nc= \r\nd=C3=a4"), true,
      STR("a=bcd\xc3\xa4") },
    { MIME_QUOTED_PRINTABLE, STR("a=\nb=\t \nc"), true, STR("abc") },
    { MIME_QUOTED_PRINTABLE, STR("a="), true, STR("a") },
    { MIME_QUOTED_PRINTABLE, STR("a= \r"), true, STR("a") },
    { MIME_QUOTED_PRINTABLE, STR("a=\rb"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=\r\rb"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a= 41"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=zz"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=4"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=4z"), false, STR("") },
    { MIME_QUOTED_PRINTABLE, STR("a=4=41"), false, STR("") },
};

static void decoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= cases[i].in.n + 1; step++) {
            struct mime_decoder d = { .encoding = cases[i].encoding };
            char out[64];
            size_t n = 0;

            for (size_t at = 0; at < cases[i].in.n; at += step)
                n += mime_decoder_feed(&d, str_head(str_skip(cases[i].in, at), step),
                                       out + n);
            assert_int_equal(mime_decoder_end(&d), cases[i].fine);
            if (cases[i].fine)
                assert_true(str_eq(str_n(out, n), cases[i].out));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
