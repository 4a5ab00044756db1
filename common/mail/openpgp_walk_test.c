/* openpgp_walk_test.c - the verdict on packets and on armor, rule by rule. */
#include "mail/openpgp_walk.h"

#include "base/arena.h"
#include "base/crypto.h"

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

static void packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(packet_cases); i++) {
        bool got = openpgp_walk_packets(packet_cases[i].packets);

        if (got != packet_cases[i].encrypted)
            print_error("case: %s\n", packet_cases[i].name);
        assert_int_equal(got, packet_cases[i].encrypted);
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
            assert_int_equal(openpgp_walk_packets(buf_str(b)), delta == 0);
        }
    }
    arena_free(&a);
}

/* The armor around PKESK SEIPD, whose base64 is wQMDa2vSBAF4eXo= */
#define BEGIN "-----BEGIN PGP MESSAGE-----\r\n"
#define END   "-----END PGP MESSAGE-----"
#define DATA  "wQMDa2vSBAF4eXo="

static const struct {
    const char *name;
    str_t text;
    bool outgoing, incoming;
} armor_cases[] = {
    { "plain", STR(BEGIN "\r\n" DATA "\r\n" END "\r\n"), true, true },
    { "checksum", STR(BEGIN "\r\n" DATA "\r\n=aB3+\r\n" END "\r\n"), true, true },
    { "many line ends", STR(BEGIN "\r\n\r\n" DATA "\r\n" END "\r\n\r\n\r\n"), true,
      true },
    { "no empty line", STR(BEGIN DATA "\r\n" END), true, true },
    { "short lines", STR(BEGIN "\r\nwQM\r\nDa2vSB\r\nAF4eX\r\no=\r\n" END), true, true },
    { "version", STR(BEGIN "Version: X 1\r\n\r\n" DATA "\r\n" END), false, true },
    { "two versions", STR(BEGIN "Version: X\r\nVersion: Y\r\n\r\n" DATA "\r\n" END),
      false, false },
    { "long version",
      STR(BEGIN
          "Version: 0123456789012345678901234567890123456789012345678901234567890123456"
          "7890123456789012345678901234567890123456789012345678901234567890123456789012"
          "\r\n\r\n" DATA "\r\n" END),
      false, true },
    { "version without a line end", STR(BEGIN "Version: " DATA END), false, false },
    { "version after an empty line", STR(BEGIN "\r\nVersion: X\r\n\r\n" DATA "\r\n" END),
      false, false },
    { "version in small letters", STR(BEGIN "version: X\r\n\r\n" DATA "\r\n" END), false,
      false },
    { "comment", STR(BEGIN "Comment: Buy now\r\n\r\n" DATA "\r\n" END), false, false },
    { "text before", STR("Hi\r\n" BEGIN "\r\n" DATA "\r\n" END), false, false },
    { "line end before", STR("\r\n" BEGIN "\r\n" DATA "\r\n" END), false, false },
    { "text after", STR(BEGIN "\r\n" DATA "\r\n" END "\r\nBuy now"), false, false },
    { "blank after", STR(BEGIN "\r\n" DATA "\r\n" END " \r\n"), false, false },
    { "text within", STR(BEGIN "\r\nBuy now!\r\n" DATA "\r\n" END), false, false },
    { "blank within", STR(BEGIN "\r\nwQMDa2vS BAF4eXo=\r\n" END), false, false },
    { "pad missing", STR(BEGIN "\r\nwQMDa2vSBAF4eXo\r\n" END), false, false },
    { "pad too many", STR(BEGIN "\r\nwQMDa2vSBAF4eXo==\r\n" END), false, false },
    { "bits left over", STR(BEGIN "\r\nwQMDa2vSBAF4eXp=\r\n" END), false, false },
    { "data after pad", STR(BEGIN "\r\n" DATA "AAAA\r\n" END), false, false },
    { "long checksum", STR(BEGIN "\r\n" DATA "\r\n=aB3+aB\r\n" END), true, true },
    { "strange checksum", STR(BEGIN "\r\n" DATA "\r\n=aB3! x\r\n" END), true, true },
    { "empty checksum", STR(BEGIN "\r\n" DATA "\r\n=\r\n" END), true, true },
    { "checksum, then empty lines", STR(BEGIN "\r\n" DATA "\r\n=aB3+\r\n\r\n" END), true,
      true },
    { "checksum right before the end", STR(BEGIN "\r\n" DATA "\r\n=aB3+" END), true,
      true },
    { "checksum on the last line of data", STR(BEGIN "\r\n" DATA "=aB3+\r\n" END), false,
      false },
    { "checksum and more", STR(BEGIN "\r\n" DATA "\r\n=aB3+\r\nAAAA\r\n" END), false,
      false },
    { "checksum alone", STR(BEGIN "\r\n=aB3+\r\n" END), false, false },
    { "pad on a line of its own", STR(BEGIN "\r\nwQMDa2vSBAF4eXo\r\n=\r\n" END), false,
      false },
    { "two checksums", STR(BEGIN "\r\n" DATA "\r\n=aB3+\r\n=aB3+\r\n" END), false,
      false },
    { "no end", STR(BEGIN "\r\n" DATA "\r\n"), false, false },
    { "other end", STR(BEGIN "\r\n" DATA "\r\n-----END PGP SIGNATURE-----\r\n"), false,
      false },
    { "LF only", STR("-----BEGIN PGP MESSAGE-----\n\n" DATA "\n" END), false, false },
    { "empty", STR(BEGIN "\r\n" END), false, false },
    { "begin is end", STR("-----BEGIN PGP MESSAGE-----"), false, false },
    { "nothing", STR(""), false, false },
};

static void armor(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(armor_cases); i++) {
        bool out = openpgp_walk_armored(armor_cases[i].text, false);
        bool in = openpgp_walk_armored(armor_cases[i].text, true);

        if (out != armor_cases[i].outgoing || in != armor_cases[i].incoming)
            print_error("case: %s\n", armor_cases[i].name);
        assert_int_equal(out, armor_cases[i].outgoing);
        assert_int_equal(in, armor_cases[i].incoming);
    }
}

/* Sizes around the decoder's window, in lines and without. */
static void large_messages(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t size = 3060; size < 3090; size++) {
        for (int broken = 0; broken < 2; broken++) {
            struct buf *data = arena_buf(a, 8192), *text = arena_buf(a, 16384);
            struct buf *base64 = arena_buf(a, 16384);
            char length[6] = { '\xd2', '\xff', 0, 0, (char)(size >> 8), (char)size };

            buf_put(data, S(PKESK));
            buf_append(data, length, sizeof(length));
            for (size_t n = 0; n < size - (size_t)broken; n++)
                buf_putc(data, (char)n);
            crypto_base64_encode(base64, buf_str(data));
            buf_puts(text, BEGIN "\r\n");
            for (size_t at = 0; at < base64->n; at += 64) {
                buf_put(text, str_head(str_skip(buf_str(base64), at), 64));
                buf_puts(text, "\r\n");
            }
            buf_puts(text, END);
            assert_int_equal(openpgp_walk_armored(buf_str(text), false), !broken);
        }
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets),
        cmocka_unit_test(two_octet_lengths),
        cmocka_unit_test(armor),
        cmocka_unit_test(large_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
