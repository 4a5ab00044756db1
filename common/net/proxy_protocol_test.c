/* proxy_protocol_test.c - a table of headers. */
#include "net/proxy_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xcb\x00\x71\x09\x7f\0\0\x01\x12\x34\0\x19"
#define V6                                                                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                         \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xfe\0\x19"
#define MAPPED                                                                           \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x05"                                         \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01\0\x19"

#define TLS_YES "\x20\0\x05\x01\0\0\0\0"

static const struct {
    const char *name;
    str_t bytes;
    enum proxy_protocol_result result;
    const char *client;
    uint16_t port;
    size_t used;
} rows[] = {
    { "IPv4", STR(SIGNATURE "\x21\x11\0\x0c" V4 "EHLO"), PROXY_PROTOCOL_ADDRESS,
      "203.0.113.9", 0x1234, 28 },
    { "IPv6", STR(SIGNATURE "\x21\x21\0\x24" V6), PROXY_PROTOCOL_ADDRESS, "2001:db8::1",
      0xfffe, 52 },
    { "IPv4 in IPv6", STR(SIGNATURE "\x21\x21\0\x24" MAPPED), PROXY_PROTOCOL_ADDRESS,
      "192.0.2.5", 1, 52 },
    { "extensions are skipped", STR(SIGNATURE "\x21\x11\0\x11" V4 "\x04\0\x02xx"),
      PROXY_PROTOCOL_ADDRESS, "203.0.113.9", 0x1234, 33 },
    { "LOCAL", STR(SIGNATURE "\x20\0\0\0"), PROXY_PROTOCOL_LOCAL, NULL, 0, 16 },
    { "LOCAL with addresses", STR(SIGNATURE "\x20\x11\0\x0c" V4), PROXY_PROTOCOL_LOCAL,
      NULL, 0, 28 },
    { "nothing yet", STR(""), PROXY_PROTOCOL_MORE, NULL, 0, 0 },
    { "half a signature", STR("\r\n\r\n\0"), PROXY_PROTOCOL_MORE, NULL, 0, 0 },
    { "address missing",
      STR(SIGNATURE "\x21\x11\0\x0c"
                    "\xcb\0"),
      PROXY_PROTOCOL_MORE, NULL, 0, 0 },
    { "version 1", STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_PROTOCOL_BAD,
      NULL, 0, 0 },
    { "no header", STR("EHLO x\r\n"), PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "version 3", STR(SIGNATURE "\x31\x11\0\x0c" V4), PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "unknown command", STR(SIGNATURE "\x22\x11\0\x0c" V4), PROXY_PROTOCOL_BAD, NULL, 0,
      0 },
    { "UDP", STR(SIGNATURE "\x21\x12\0\x0c" V4), PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "unix socket", STR(SIGNATURE "\x21\x31\0\x0c" V4), PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "short address block", STR(SIGNATURE "\x21\x11\0\x04\xcb\0\x71\x09"),
      PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "IPv6 with room for IPv4 only", STR(SIGNATURE "\x21\x21\0\x0c" V4),
      PROXY_PROTOCOL_BAD, NULL, 0, 0 },
    { "longer than we take", STR(SIGNATURE "\x21\x11\xff\xff" V4), PROXY_PROTOCOL_BAD,
      NULL, 0, 0 },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[ADDR_TEXT_BYTES];
        struct proxy_protocol said = { 0 };
        size_t used = 0;
        enum proxy_protocol_result got =
            proxy_protocol_parse(rows[i].bytes, &said, &used);

        if (got != rows[i].result || used != rows[i].used)
            fail_msg("%s: result %d, used %zu", rows[i].name, (int)got, used);
        if (got == PROXY_PROTOCOL_ADDRESS) {
            assert_string_equal(addr_text(&said.client, text), rows[i].client);
            assert_int_equal(said.client.port, rows[i].port);
        }
    }
}

static const struct {
    const char *name;
    str_t bytes;
    bool tls;
} tls_rows[] = {
    { "no extension", STR(SIGNATURE "\x21\x11\0\x0c" V4), false },
    { "behind another extension",
      STR(SIGNATURE "\x21\x11\0\x18" V4 "\x04\0\x01x" TLS_YES), true },
    { "over IPv6", STR(SIGNATURE "\x21\x21\0\x2c" V6 TLS_YES), true },
    { "the client had none", STR(SIGNATURE "\x21\x11\0\x14" V4 "\x20\0\x05\0\0\0\0\0"),
      false },
    { "cut short", STR(SIGNATURE "\x21\x11\0\x10" V4 "\x20\0\x05\x01"), false },
    { "without all its words", STR(SIGNATURE "\x21\x11\0\x10" V4 "\x20\0\x01\x01"),
      false },
    { "of the proxy itself", STR(SIGNATURE "\x20\x11\0\x14" V4 TLS_YES), false },
};

static void test_tls(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tls_rows); i++) {
        struct proxy_protocol said = { .tls = false };
        size_t used = 0;

        (void)proxy_protocol_parse(tls_rows[i].bytes, &said, &used);
        if (said.tls != tls_rows[i].tls || used != tls_rows[i].bytes.n)
            fail_msg("%s: tls %d, used %zu", tls_rows[i].name, (int)said.tls, used);
    }
}

static void test_what_is_written_is_read(void **state)
{
    static const char *const clients[] = { "203.0.113.9", "2001:db8::1" };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(clients); i++) {
        struct proxy_protocol p = { .tls = i % 2 == 1 }, again = { 0 };
        struct buf b;
        size_t used = 0;

        assert_int_equal(addr_parse(str_of(clients[i / 2]), &p.client), RC_OK);
        p.client.port = 0xfedc;
        buf_init(&b, PROXY_PROTOCOL_FORMAT_BYTES);
        proxy_protocol_format(&p, &b);
        assert_false(b.full);
        assert_int_equal(proxy_protocol_parse(buf_str(&b), &again, &used),
                         PROXY_PROTOCOL_ADDRESS);
        assert_int_equal(used, b.n);
        assert_memory_equal(&again.client, &p.client, sizeof(p.client));
        assert_int_equal(again.tls, p.tls);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
                                        cmocka_unit_test(test_tls),
                                        cmocka_unit_test(test_what_is_written_is_read) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
