/* openpgp_packets_test.c - the verdict on packets, rule by rule, wherever they are cut.
 */
#include "mail/openpgp_packets.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PKESK "\xc1\x03\x03kk" /* new format, tag 1, three octets */
#define SKESK "\xc3\x02\x04s"
#define SEIPD "\xd2\x04\x01xyz"

static const struct {
    const char *name;
    str_t packets;
    bool encrypted;
} packet_cases[] = {
    { "one recipient", STR(PKESK SEIPD), true },
    { "symmetric", STR(SKESK SEIPD), true },
    { "several keys", STR(PKESK PKESK SKESK SEIPD), true },
    { "legacy one octet", STR("\x84\x03\x03kk" SEIPD), true },
    { "legacy two octets", STR("\x85\x00\x03\x03kk" SEIPD), true },
    { "legacy four octets", STR("\x86\x00\x00\x00\x03\x03kk" SEIPD), true },
    { "legacy SKESK", STR("\x8c\x02\x04s" SEIPD), true },
    { "legacy indeterminate", STR("\x87\x03kk" SEIPD), false },
    { "legacy indeterminate, then a length", STR("\x87\x03\x03kk" SEIPD), false },
    { "five octets", STR(PKESK "\xd2\xff\x00\x00\x00\x04\x01xyz"), true },
    { "partial", STR(PKESK "\xd2\xe2\x01xyz\x02zz"), true },
    { "partial, twice", STR(PKESK "\xd2\xe1\x01x\xe1yz\x00"), true },
    { "partial, then five octets", STR(PKESK "\xd2\xe1\x01x\xff\x00\x00\x00\x01y"),
      true },
    { "partial without the end", STR(PKESK "\xd2\xe2\x01xyz"), false },
    { "partial cut", STR(PKESK "\xd2\xe2\x01xy"), false },
    { "partial, trailing byte", STR(PKESK "\xd2\xe1\x01x\x01y!"), false },
    { "nothing", STR(""), false },
    { "no session key", STR(SEIPD), true },
    { "compressed (8) last", STR(PKESK "\xc8\x04\x01xyz"), false },
    { "no session key, truncated", STR("\xd2\x04\x01xy"), false },
    { "data twice", STR(SEIPD SEIPD), false },
    { "data of no bytes", STR(PKESK "\xd2\x00"), true },
    { "data of version 2", STR(PKESK "\xd2\x04\x02xyz"), true },
    { "partial key", STR("\xc1\xe1\x03k\x01k" SEIPD), true },
    { "keys only", STR(PKESK), false },
    { "truncated by one", STR(PKESK "\xd2\x04\x01xy"), false },
    { "truncated in the length", STR(PKESK "\xd2\xff\x00\x00"), false },
    { "truncated after the tag", STR(PKESK "\xd2"), false },
    { "truncated key", STR("\xc1\x03\x03"), false },
    { "length overflow", STR(PKESK "\xd2\xff\xff\xff\xff\xff\x01xyz"), false },
    { "trailing byte", STR(PKESK SEIPD "x"), false },
    { "trailing packet", STR(PKESK SEIPD SEIPD), false },
    { "key after data", STR(PKESK SEIPD PKESK), false },
    { "literal first",
      STR("\xcb\x03"
          "b\x00x" SEIPD),
      false },
    { "literal last",
      STR(PKESK "\xcb\x03"
                "b\x00x"),
      false },
    { "literal alone",
      STR("\xcb\x03"
          "b\x00x"),
      false },
    { "legacy literal",
      STR("\xac\x03"
          "b\x00x"),
      false },
    { "SED (9) last", STR(PKESK "\xc9\x04\x01xyz"), false },
    { "legacy SED last", STR(PKESK "\xa4\x04\x01xyz"), false },
    { "AEAD (20) last", STR(PKESK "\xd4\x04\x01xyz"), false },
    { "signature first", STR("\xc2\x01x" PKESK SEIPD), false },
    { "marker first", STR("\xca\x03PGP" PKESK SEIPD), false },
    { "padding last", STR(PKESK SEIPD "\xd5\x01x"), false },
    { "no tag bit", STR("\x41\x03\x03kk" SEIPD), false },
    { "text", STR("Buy now!"), false },
};

/* Fed in pieces of so many bytes. */
static bool are_encrypted(str_t packets, size_t step)
{
    struct openpgp_packets p = { 0 };

    for (; packets.n > 0; packets = str_skip(packets, step))
        openpgp_packets_feed(&p, str_head(packets, step));
    return p.state == OPENPGP_PACKETS_AT_END;
}

static void packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(packet_cases); i++) {
        for (size_t step = 1; step <= packet_cases[i].packets.n + 1; step++) {
            bool got = are_encrypted(packet_cases[i].packets, step);

            if (got != packet_cases[i].encrypted)
                print_error("case: %s, by %zu\n", packet_cases[i].name, step);
            assert_int_equal(got, packet_cases[i].encrypted);
        }
    }
}

/* A two octet length, 192 to 8383: exactly as long, one less, one more. */
static void two_octet_lengths(void **state)
{
    static const unsigned lengths[] = { 192, 193, 447, 448, 8383 };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (int delta = -1; delta <= 1; delta++) {
            struct buf *b = arena_buf(a, 16384);

            buf_put(b, S(PKESK));
            buf_putc(b, '\xd2');
            buf_putc(b, (char)(192 + ((lengths[i] - 192) >> 8)));
            buf_putc(b, (char)(lengths[i] - 192));
            for (int n = 0; n < (int)lengths[i] + delta; n++)
                buf_putc(b, 'x');
            assert_int_equal(are_encrypted(buf_str(b), 1000), delta == 0);
        }
    }
    arena_free(&a);
}

/* Bodies need not be read. */
static void skipping(void **state)
{
    struct openpgp_packets p = { 0 };

    (void)state;
    assert_int_equal(openpgp_packets_unread(&p), 0);
    openpgp_packets_feed(&p, S(PKESK "\xd2\xe3"));
    assert_int_equal(openpgp_packets_unread(&p), 8);
    openpgp_packets_skip(&p, 0);
    openpgp_packets_skip(&p, 3);
    openpgp_packets_feed(&p, S("vw"));
    assert_int_equal(openpgp_packets_unread(&p), 3);
    openpgp_packets_skip(&p, 3);
    assert_int_equal(openpgp_packets_unread(&p), 0);
    openpgp_packets_feed(&p, S("\x02"));
    assert_int_equal(openpgp_packets_unread(&p), 2);
    openpgp_packets_skip(&p, 2);
    assert_int_equal(p.state, OPENPGP_PACKETS_AT_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets),
        cmocka_unit_test(two_octet_lengths),
        cmocka_unit_test(skipping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
