/* openpgp_walk_test.c - the verdict on armor, rule by rule, wherever it is cut. */
#include "mail/openpgp_walk.h"

#include "base/arena.h"
#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The armor around PKESK SEIPD, whose base64 is wQMDa2vSBAF4eXo= */
#define BEGIN "-----BEGIN PGP MESSAGE-----\r\n"
#define END   "-----END PGP MESSAGE-----"
#define DATA  "wQMDa2vSBAF4eXo="
#define SUM   "\r\n=aB3+\r\n"
#define BARE  "0gQBeHl6" /* SEIPD alone, without pads */

static const struct {
    const char *name;
    str_t text;
    bool outgoing, incoming;
} armor_cases[] = {
    { "checksum", STR(BEGIN "\r\n" DATA SUM END "\r\n"), true, true },
    { "many line ends", STR(BEGIN "\r\n\r\n" DATA SUM END "\r\n\r\n\r\n"), true, true },
    { "no empty line", STR(BEGIN DATA SUM END), true, true },
    { "short lines", STR(BEGIN "\r\nwQM\r\nDa2vSB\r\nAF4eX\r\no=" SUM END), true, true },
    { "one line", STR(BEGIN BARE END), true, true },
    { "no checksum behind pads", STR(BEGIN "\r\n" DATA "\r\n" END), false, false },
    { "no checksum, no pads", STR(BEGIN "\r\n" BARE "\r\n" END), true, true },
    { "no pads, text after", STR(BEGIN "\r\n" BARE "\r\n" END "\r\nBuy now"), false,
      false },
    { "no pads, END twice", STR(BEGIN "\r\n" BARE "\r\n" END END), false, false },
    { "no pads, END in two", STR(BEGIN "\r\n" BARE "\r\n-----END\r\n PGP MESSAGE-----"),
      false, false },
    { "version", STR(BEGIN "Version: X 1\r\n\r\n" DATA SUM END), false, true },
    { "version, no empty line", STR(BEGIN "Version: X = 1\r\n" DATA SUM END), false,
      true },
    { "two versions", STR(BEGIN "Version: X\r\nVersion: Y\r\n\r\n" DATA SUM END), false,
      false },
    { "long version",
      STR(BEGIN
          "Version: 0123456789012345678901234567890123456789012345678901234567890123456"
          "7890123456789012345678901234567890123456789012345678901234567890123456789012"
          "\r\n\r\n" DATA SUM END),
      false, true },
    { "version without a line end", STR(BEGIN "Version: " DATA END), false, false },
    { "version with half a line end", STR(BEGIN "Version: \n\r" BARE "\r\n" END), false,
      false },
    { "version of no text", STR(BEGIN "Version: \r\n" BARE "\r\n" END), false, true },
    { "version without a blank", STR(BEGIN "Version:X\r\n" BARE "\r\n" END), false,
      false },
    { "version after an empty line", STR(BEGIN "\r\nVersion: X\r\n\r\n" DATA SUM END),
      false, false },
    { "version in small letters", STR(BEGIN "version: X\r\n\r\n" DATA SUM END), false,
      false },
    { "version and no data", STR(BEGIN "Version: X\r\n" END), false, false },
    { "comment", STR(BEGIN "Comment: Buy now\r\n\r\n" DATA SUM END), false, false },
    { "charset", STR(BEGIN "Charset: UTF-8\r\n\r\n" DATA SUM END), false, false },
    { "message id", STR(BEGIN "MessageID: x\r\n\r\n" DATA SUM END), false, false },
    { "version and comment", STR(BEGIN "Version: X\r\nComment: Y\r\n\r\n" DATA SUM END),
      false, false },
    { "text before", STR("Hi\r\n" BEGIN "\r\n" DATA SUM END), false, false },
    { "line end before", STR("\r\n" BEGIN "\r\n" DATA SUM END), false, false },
    { "text after", STR(BEGIN "\r\n" DATA SUM END "\r\nBuy now"), false, false },
    { "blank after", STR(BEGIN "\r\n" DATA SUM END " \r\n"), false, false },
    { "LF after", STR(BEGIN "\r\n" DATA SUM END "\n"), false, false },
    { "CR after", STR(BEGIN "\r\n" DATA SUM END "\r\n\r"), false, false },
    { "text within", STR(BEGIN "\r\nBuy now!\r\n" DATA SUM END), false, false },
    { "blank within", STR(BEGIN "\r\nwQMDa2vS BAF4eXo=" SUM END), false, false },
    { "letters beyond ASCII", STR(BEGIN "\r\nwQMDa2vSBAF4\xc3\xa4" SUM END), false,
      false },
    { "NUL within", STR(BEGIN "\r\nwQMDa2vSBAF4\0eXo=" SUM END), false, false },
    { "pad missing", STR(BEGIN "\r\nwQMDa2vSBAF4eXo" SUM END), false, false },
    { "pad too many", STR(BEGIN "\r\nwQMDa2vSBAF4eXo==" SUM END), false, false },
    { "pads of nothing", STR(BEGIN "\r\n" BARE "====" SUM END), false, false },
    { "pads without end", STR(BEGIN "\r\nwQMDa2vSBAF4eXo============" SUM END), false,
      false },
    { "bits left over", STR(BEGIN "\r\nwQMDa2vSBAF4eXp=" SUM END), false, false },
    { "data after pad", STR(BEGIN "\r\n" DATA "AAAA" SUM END), false, false },
    { "long checksum", STR(BEGIN "\r\n" DATA "\r\n=aB3+aB\r\n" END), true, true },
    { "strange checksum", STR(BEGIN "\r\n" DATA "\r\n=aB3! x\r\n" END), true, true },
    { "empty checksum", STR(BEGIN "\r\n" DATA "\r\n=\r\n" END), true, true },
    { "checksum, then empty lines", STR(BEGIN "\r\n" DATA SUM "\r\n" END), true, true },
    { "checksum right before the end", STR(BEGIN "\r\n" DATA "\r\n=aB3+" END), true,
      true },
    { "checksum on the last line of data", STR(BEGIN "\r\n" DATA "=aB3+\r\n" END), true,
      true },
    { "checksum and more", STR(BEGIN "\r\n" DATA SUM "AAAA\r\n" END), true, true },
    { "checksum and hyphens", STR(BEGIN "\r\n" DATA SUM "---" END), true, true },
    { "checksum and END twice", STR(BEGIN "\r\n" DATA SUM END "\r\n" END), true, true },
    { "checksum and two ENDs in one",
      STR(BEGIN "\r\n" DATA SUM END "END PGP MESSAGE-----\r\n"), true, true },
    { "checksum and half an END", STR(BEGIN "\r\n" DATA SUM END "END PGP MESSAGE----"),
      false, false },
    { "checksum alone", STR(BEGIN "\r\n=aB3+\r\n" END), false, false },
    { "pad on a line of its own", STR(BEGIN "\r\nwQMDa2vSBAF4eXo\r\n=" SUM END), true,
      true },
    { "pad on a line of its own, no checksum",
      STR(BEGIN "\r\nwQMDa2vSBAF4eXo\r\n=\r\n" END), false, false },
    { "two checksums", STR(BEGIN "\r\n" DATA SUM "=aB3+\r\n" END), false, false },
    { "no end", STR(BEGIN "\r\n" DATA SUM), false, false },
    { "other end", STR(BEGIN "\r\n" DATA SUM "-----END PGP SIGNATURE-----\r\n"), false,
      false },
    { "other begin", STR("-----BEGIN PGP MESSAGE, PART 1/2-----\r\n\r\n" DATA SUM END),
      false, false },
    { "blank behind BEGIN", STR("-----BEGIN PGP MESSAGE----- \r\n\r\n" DATA SUM END),
      false, false },
    { "LF only", STR("-----BEGIN PGP MESSAGE-----\n\n" DATA "\n=aB3+\n" END), false,
      false },
    { "LF within", STR(BEGIN "\n" DATA "\n=aB3+\n" END), true, true },
    { "packet too short", STR(BEGIN "\r\nwQMDa2vSBQF4eXo=" SUM END), false, false },
    { "packet too long", STR(BEGIN "\r\nwQMDa2vSAwF4eXo=" SUM END), false, false },
    { "empty", STR(BEGIN "\r\n" END), false, false },
    { "begin is end", STR("-----BEGIN PGP MESSAGE-----"), false, false },
    { "nothing", STR(""), false, false },
};

static bool is_encrypted(str_t text, bool incoming, size_t step)
{
    struct openpgp_walk w;

    openpgp_walk_begin(&w, incoming);
    for (; text.n > 0; text = str_skip(text, step))
        openpgp_walk_feed(&w, str_head(text, step));
    return openpgp_walk_end(&w);
}

static void armor(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(armor_cases); i++) {
        for (size_t step = 1; step <= armor_cases[i].text.n + 1; step++) {
            bool out = is_encrypted(armor_cases[i].text, false, step);
            bool in = is_encrypted(armor_cases[i].text, true, step);

            if (out != armor_cases[i].outgoing || in != armor_cases[i].incoming)
                print_error("case: %s, by %zu\n", armor_cases[i].name, step);
            assert_int_equal(out, armor_cases[i].outgoing);
            assert_int_equal(in, armor_cases[i].incoming);
        }
    }
}

/* Lines that end anywhere in a group and a packet that ends anywhere in a line. */
static void large_messages(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t size = 3060; size < 3090; size++) {
        for (int broken = 0; broken < 2; broken++) {
            struct buf *data = arena_buf(a, 8192), *text = arena_buf(a, 32768);
            struct buf *base64 = arena_buf(a, 16384);
            char length[6] = { '\xd2', '\xff', 0, 0, (char)(size >> 8), (char)size };

            buf_put(data, S("\xc1\x03\x03kk"));
            buf_append(data, length, sizeof(length));
            for (size_t n = 0; n < size - (size_t)broken; n++)
                buf_putc(data, (char)n);
            crypto_base64_encode(base64, buf_str(data));
            buf_puts(text, BEGIN "\r\n");
            for (size_t at = 0, line = size % 77 + 1; at < base64->n; at += line) {
                buf_put(text, str_head(str_skip(buf_str(base64), at), line));
                buf_puts(text, "\r\n");
            }
            buf_puts(text, "=aB3+\r\n" END);
            assert_int_equal(openpgp_walk_armored(buf_str(text), false), !broken);
        }
    }
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(armor),
        cmocka_unit_test(large_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
