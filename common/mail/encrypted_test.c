/* encrypted_test.c - the table of verdicts: what passes an encrypted-only server. */
#include "mail/encrypted.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define FROM "From: Alice <alice@chat.example>\r\n"
#define HEAD                                                                             \
    FROM "To: \"hidden-recipients\": ;\r\nSubject: [...]\r\nMIME-Version: 1.0\r\n"
#define ENC         "Content-Type: multipart/encrypted; boundary=\"b\"\r\n"
#define PART1       "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
#define PART2       "--b\r\nContent-Type: application/octet-stream; name=x\r\n\r\n"
#define ARMOR(data) BARE_ARMOR(data "\r\n=twTO")
#define BARE_ARMOR(data)                                                                 \
    "-----BEGIN PGP MESSAGE-----\r\n\r\n" data "\r\n-----END PGP MESSAGE-----\r\n"
/* PKESK of three octets, SEIPD of four */
#define DATA    "wQMDa2vSBAF4eXo="
#define CLOSE   "--b--\r\n"
#define GOOD    PART1 PART2 ARMOR(DATA) CLOSE
#define MIXED   "Content-Type: multipart/mixed; boundary=b\r\n"
#define STEP(s) "Secure-Join: " s "\r\n"
#define JOIN(s)                                                                          \
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSecure-Join: " s "\r\n"
#define BLANKS                                                                           \
    "                                                                                "   \
    "                                                                                "
#define DAEMON "From: MAILER-DAEMON@other.example\r\n"
#define AUTO   "Auto-Submitted: auto-replied\r\n"
#define REPORT                                                                           \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
#define STATUS                                                                           \
    "--b\r\n\r\nIt failed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"      \
    "Reporting-MTA: dns; x\r\n\r\n" CLOSE

enum {
    NO = ENCRYPTED_NO,
    YES = ENCRYPTED_YES,
    SJ = ENCRYPTED_SECUREJOIN,
    SETUP = ENCRYPTED_SETUP_MESSAGE,
    BOUNCE = ENCRYPTED_BOUNCE
};

static const struct {
    const char *name;
    str_t message;
    unsigned outgoing, incoming;
} cases[] = {
    { "encrypted", STR(HEAD ENC "\r\n" GOOD), YES, YES },
    { "case does not matter",
      STR(FROM "content-TYPE: Multipart/ENCRYPTED; BOUNDARY=b\r\n\r\n"
               "--b\r\nContent-Type: Application/PGP-Encrypted\r\n\r\nVersion: 1\r\n"
               "--b\r\nContent-Type: APPLICATION/Octet-Stream\r\n\r\n" ARMOR(DATA) CLOSE),
      YES, YES },
    { "folded type",
      STR(HEAD
          "Content-Type: multipart/encrypted;\r\n protocol=\"application/pgp-encrypted\";"
          "\r\n\tboundary=\"b\"\r\n\r\n" GOOD),
      YES, YES },
    { "quoted-printable armor",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                   "-----BEGIN PGP MESSAGE-----\r\n\r\nwQMDa2vSBAF4eXo=3D\r\n=3DtwTO\r\n"
                   "-----END PGP MESSAGE-----\r\n" CLOSE),
      YES, YES },
    /* What stands around the parts is no part, and nobody is shown it. */
    { "well-known preamble",
      STR(HEAD ENC
          "\r\nThis is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n" GOOD),
      YES, YES },
    { "other preamble",
      STR(HEAD ENC "\r\nThis is a multi-part message in MIME format.\r\n" GOOD), YES,
      YES },
    { "epilogue", STR(HEAD ENC "\r\n" GOOD "___\r\nlist@x.example\r\n"), YES, YES },
    { "blank epilogue", STR(HEAD ENC "\r\n" GOOD "\r\n\r\n"), YES, YES },
    { "multipart not closed", STR(HEAD ENC "\r\n" PART1 PART2 ARMOR(DATA)), YES, YES },
    { "other protocol",
      STR(HEAD
          "Content-Type: multipart/encrypted; protocol=\"x/y\"; boundary=b\r\n\r\n" GOOD),
      YES, YES },
    { "multipart that says it is encoded",
      STR(HEAD ENC "Content-Transfer-Encoding: base64\r\n"
                   "Content-Transfer-Encoding: 7bit\r\n\r\n" GOOD),
      YES, YES },
    { "fields of the parts",
      STR(HEAD ENC "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n"
                   "Content-Description: Buy now!\r\n\r\n\r\n \t Version: 1 \r\n\r\n"
                   "--b\r\nContent-Disposition: inline; filename=a.html\r\n"
                   "Content-Type: application/octet-stream\r\n\r\n" ARMOR(DATA) CLOSE),
      YES, YES },
    { "boundary in angle brackets",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"<b>\"\r\n\r\n"
               "--b\r\n\r\nBuy now!\r\n--b--\r\n"
               "--<b>\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
               "--<b>\r\nContent-Type: application/octet-stream\r\n\r\n" ARMOR(
                   DATA) "--<b>--\r\n"),
      NO, NO },
    { "boundary that ends in a blank",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"b \"\r\n\r\n" GOOD), NO,
      NO },
    { "lines without a colon before a part's type",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nDear all,\r\n buy now!\r\n"
                   "Content-Type: application/octet-stream\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "a blank before the colon of a part's field",
      STR(HEAD ENC "\r\n" PART1
                   "--b\r\nContent-Type : application/octet-stream\r\n\r\n" ARMOR(DATA)
                       CLOSE),
      NO, NO },
    { "two types of a part",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream, text/html"
                   "\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "a type of three",
      STR(HEAD ENC "\r\n" PART1
                   "--b\r\nContent-Type: application/octet-stream/../text/html"
                   "\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "two type fields of a part",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Type: text/html\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "comment in a part's type",
      STR(HEAD ENC "\r\n" PART1
                   "--b\r\nContent-Type: application/octet-stream (x)\r\n\r\n" ARMOR(DATA)
                       CLOSE),
      NO, NO },
    { "blanks within a part's type",
      STR(HEAD ENC "\r\n" PART1
                   "--b\r\nContent-Type: application / octet-stream\r\n\r\n" ARMOR(DATA)
                       CLOSE),
      NO, NO },
    { "two types of the first part",
      STR(HEAD ENC "\r\n--b\r\nContent-Type: application/pgp-encrypted, text/html\r\n\r\n"
                   "Version: 1\r\n" PART2 ARMOR(DATA) CLOSE),
      NO, NO },
    { "encoding that is base64 to some",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Transfer-Encoding: base64 (x)\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "two encodings of a part",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Transfer-Encoding: 7bit\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "an encoded word as boundary",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"=?us-ascii?q?b?=\"\r\n\r\n"
               "--=?us-ascii?q?b?=\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
               "Version: 1\r\n--=?us-ascii?q?b?=\r\n"
               "Content-Type: application/octet-stream\r\n\r\n" ARMOR(
                   DATA) "--=?us-ascii?q?b?=--\r\n"),
      NO, NO },
    { "a boundary beyond ASCII",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"\xc3\xa4\"\r\n\r\n"
               "--\xc3\xa4\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
               "Version: 1\r\n--\xc3\xa4\r\n"
               "Content-Type: application/octet-stream\r\n\r\n" ARMOR(
                   DATA) "--\xc3\xa4--\r\n"),
      NO, NO },
    { "blank before the colon of the type",
      STR(HEAD "Content-Type : multipart/encrypted; boundary=b\r\n\r\n" GOOD), NO, NO },
    { "several authors", STR("From: <alice@chat.example>, <eve@x>\r\n" ENC "\r\n" GOOD),
      NO, NO },
    { "base64 version",
      STR(HEAD ENC
          "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n"
          "Content-Transfer-Encoding: base64\r\n\r\nVmVyc2lvbjogMQ==\r\n" PART2 ARMOR(
              DATA) CLOSE),
      YES, YES },
    { "version in small letters",
      STR(HEAD ENC
          "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nversion: 1\r\n" PART2
              ARMOR(DATA) CLOSE),
      NO, NO },
    { "no session key", STR(HEAD ENC "\r\n" PART1 PART2 ARMOR("0gQBeHl6") CLOSE), YES,
      YES },
    { "no checksum behind pads", STR(HEAD ENC "\r\n" PART1 PART2 BARE_ARMOR(DATA) CLOSE),
      NO, NO },
    { "no checksum, no pads",
      STR(HEAD ENC "\r\n" PART1 PART2 BARE_ARMOR("0gQBeHl6") CLOSE), YES, YES },
    { "checksum of any form",
      STR(HEAD ENC "\r\n" PART1 PART2 BARE_ARMOR(DATA "\r\n=x y!") CLOSE), YES, YES },
    /* Nor is what others could take for the parts. */
    { "preamble with a line that begins like a delimiter",
      STR(HEAD ENC "\r\n--bx\r\n\r\nBuy now!\r\n" GOOD), NO, NO },
    { "part behind the end", STR(HEAD ENC "\r\n" GOOD "--b\r\n\r\nBuy now!\r\n"), NO,
      NO },
    { "delimiter in a part's header",
      STR(HEAD ENC "\r\n" PART1 "--b\r\n--bx: \r\nContent-Type: application/octet-stream"
                   "\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "other lines that begin with hyphens",
      STR(HEAD ENC "\r\n--\r\n--c\r\n" GOOD "-- \r\na footer\r\n"), YES, YES },
    { "encoding that nobody knows",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Transfer-Encoding: 7-bit\r\n\r\n" ARMOR(DATA) CLOSE),
      YES, YES },
    { "encoding that cannot be undone",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: application/octet-stream\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\n" ARMOR(DATA) CLOSE),
      NO, NO },
    { "two boundaries",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=b; boundary=c\r\n\r\n"
               "--c\r\n\r\nBuy now!\r\n--c--\r\n" GOOD),
      NO, NO },
    { "two boundaries, one in the extended form",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=b; Boundary*=us-ascii''c"
               "\r\n\r\n--c\r\n\r\nBuy now!\r\n--c--\r\n" GOOD),
      NO, NO },
    { "a boundary within another parameter",
      STR(HEAD "Content-Type: multipart/encrypted; x=\"; boundary=c\"; "
               "boundary=b\r\n\r\n" GOOD),
      NO, NO },
    { "a boundary within the boundary",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"b; boundary=c\"\r\n\r\n"
               "--b; boundary=c\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
               "Version: 1\r\n--b; boundary=c\r\nContent-Type: application/octet-stream"
               "\r\n\r\n" ARMOR(DATA) "--b; boundary=c--\r\n"),
      NO, NO },
    { "the word within the boundary",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"boundary_1\"\r\n\r\n"
               "--boundary_1\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
               "Version: 1\r\n--boundary_1\r\nContent-Type: application/octet-stream"
               "\r\n\r\n" ARMOR(DATA) "--boundary_1--\r\n"),
      YES, YES },
    { "comment in the type",
      STR(HEAD "Content-Type: multipart/encrypted; boundary(c)=b\r\n\r\n" GOOD), NO, NO },
    { "comment behind the boundary",
      STR(HEAD
          "Content-Type: multipart/encrypted; boundary=b(c)\r\n\r\n--b(c)\r\n"
          "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b(c)\r\n"
          "Content-Type: application/octet-stream\r\n\r\n" ARMOR(DATA) "--b(c)--\r\n"),
      NO, NO },
    { "backslash in the type",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=\"\\b\"\r\n\r\n" GOOD), NO,
      NO },
    { "rubbish in the type",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=b\"c\"\r\n\r\n" GOOD), NO,
      NO },
    { "semicolon behind the type",
      STR(HEAD "Content-Type: multipart/encrypted; boundary=b;\r\n\r\n" GOOD), YES, YES },
    { "boundary in pieces",
      STR(HEAD "Content-Type: multipart/encrypted; boundary*0=b\r\n\r\n" GOOD), NO, NO },
    { "armor version line",
      STR(HEAD ENC "\r\n" PART1 PART2
                   "-----BEGIN PGP MESSAGE-----\r\nVersion: Mail 1\r\n\r\n" DATA
                   "\r\n=twTO\r\n-----END PGP MESSAGE-----\r\n" CLOSE),
      NO, YES },
    { "third part",
      STR(HEAD ENC "\r\n" PART1 PART2 ARMOR(DATA) "--b\r\n\r\nBuy now!\r\n" CLOSE), NO,
      NO },
    { "empty third part", STR(HEAD ENC "\r\n" PART1 PART2 ARMOR(DATA) "--b\r\n" CLOSE),
      NO, NO },
    { "one part", STR(HEAD ENC "\r\n" PART2 ARMOR(DATA) CLOSE), NO, NO },
    { "parts exchanged", STR(HEAD ENC "\r\n" PART2 ARMOR(DATA) PART1 CLOSE), NO, NO },
    { "version 2",
      STR(HEAD ENC
          "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 2\r\n" PART2
              ARMOR(DATA) CLOSE),
      NO, NO },
    { "text behind the version",
      STR(HEAD ENC
          "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
          "Buy now!\r\n" PART2 ARMOR(DATA) CLOSE),
      NO, NO },
    { "text around the armor",
      STR(HEAD ENC "\r\n" PART1 PART2 ARMOR(DATA) "Buy now!\r\n" CLOSE), NO, NO },
    { "second part is text",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: text/plain\r\n\r\n" ARMOR(DATA)
              CLOSE),
      NO, NO },
    { "second part is multipart",
      STR(HEAD ENC "\r\n" PART1 "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
                   "--c\r\nContent-Type: application/octet-stream\r\n\r\n" ARMOR(
                       DATA) "--c--\r\n" CLOSE),
      NO, NO },
    { "truncated packet",
      STR(HEAD ENC "\r\n" PART1 PART2 ARMOR("wQMDa2vSBAF4eQ==") CLOSE), NO, NO },
    { "trailing bytes", STR(HEAD ENC "\r\n" PART1 PART2 ARMOR("wQMDa2vSBAF4eXoh") CLOSE),
      NO, NO },
    { "literal packet", STR(HEAD ENC "\r\n" PART1 PART2 ARMOR("ywZiAAAAAAA=") CLOSE), NO,
      NO },
    { "no boundary", STR(HEAD "Content-Type: multipart/encrypted\r\n\r\n" GOOD), NO, NO },
    { "mixed instead", STR(HEAD MIXED "\r\n" GOOD), NO, NO },
    { "armor in plain text", STR(HEAD "Content-Type: text/plain\r\n\r\n" ARMOR(DATA)), NO,
      NO },
    { "no content type", STR(HEAD "\r\n" GOOD), NO, NO },
    { "two content types", STR(HEAD ENC "Content-Type: text/plain\r\n\r\n" GOOD), NO,
      NO },
    { "two From fields", STR(HEAD "From: eve@chat.example\r\n" ENC "\r\n" GOOD), NO, NO },
    { "old form of a second From", STR(HEAD "From : eve@x\r\n" ENC "\r\n" GOOD), NO, NO },
    { "no From", STR("To: x@y\r\n" ENC "\r\n" GOOD), NO, NO },
    { "From without address", STR("From: Alice\r\n" ENC "\r\n" GOOD), NO, NO },
    { "rubbish in the header", STR(HEAD "Buy now!\r\n" ENC "\r\n" GOOD), NO, NO },
    { "plain", STR(HEAD "Content-Type: text/plain\r\n\r\nhello\r\n"), NO, NO },
    { "read receipt",
      STR(HEAD "Content-Type: multipart/report; report-type=disposition-notification;"
               " boundary=b\r\n" AUTO "\r\n" STATUS),
      NO, NO },

    { "vc-request", STR(FROM STEP("vc-request") MIXED "\r\n" JOIN("vc-request") CLOSE),
      SJ, SJ },
    { "vg-request", STR(FROM STEP("vg-request") MIXED "\r\n" JOIN("vg-request") CLOSE),
      SJ, SJ },
    { "text in capitals",
      STR(FROM STEP("vc-request") MIXED "\r\n" JOIN("VC-Request") CLOSE), SJ, SJ },
    { "steps differ", STR(FROM STEP("vc-request") MIXED "\r\n" JOIN("vg-request") CLOSE),
      SJ, SJ },
    { "later step",
      STR(FROM STEP("vc-auth-required") MIXED "\r\n" JOIN("vc-auth-required") CLOSE), NO,
      NO },
    { "step with a type that divides readers",
      STR(FROM STEP("vc-request") MIXED "\r\n--b\r\nContent-Type: text/plain, text/html"
                                        "\r\n\r\nSecure-Join: vc-request\r\n" CLOSE),
      NO, NO },
    { "step behind lines without a colon",
      STR(FROM STEP("vc-request") MIXED "\r\n--b\r\nBuy viagra!\r\n\r\n"
                                        "Secure-Join: vc-request\r\n" CLOSE),
      NO, NO },
    { "header in capitals",
      STR(FROM STEP("VC-REQUEST") MIXED "\r\n" JOIN("vc-request") CLOSE), NO, NO },
    { "header without the text",
      STR(FROM STEP("vc-request") MIXED "\r\n--b\r\n\r\nBuy viagra!\r\n" CLOSE), NO, NO },
    { "text and more",
      STR(FROM STEP("vc-request") MIXED
          "\r\n" JOIN("vc-request") "Buy viagra!\r\n" CLOSE),
      NO, NO },
    { "text without the header", STR(FROM MIXED "\r\n" JOIN("vc-request") CLOSE), NO,
      NO },
    { "two parts",
      STR(FROM STEP("vc-request") MIXED "\r\n" JOIN("vc-request") JOIN("vc-request")
              CLOSE),
      NO, NO },
    { "html part",
      STR(FROM STEP("vc-request") MIXED "\r\n--b\r\nContent-Type: text/html\r\n\r\n"
                                        "Secure-Join: vc-request\r\n" CLOSE),
      NO, NO },
    { "preamble and epilogue of a step",
      STR(FROM STEP("vc-request") MIXED "\r\nMIME\r\n" JOIN("vc-request") CLOSE "x\r\n"),
      SJ, SJ },
    { "step of an unclosed multipart",
      STR(FROM STEP("vc-request") MIXED "\r\n" JOIN("vc-request")), SJ, SJ },
    { "step in any multipart",
      STR(FROM STEP("vg-request") "Content-Type: multipart/alternative; "
                                  "boundary=b\r\n\r\n" JOIN("vg-request") CLOSE),
      SJ, SJ },
    { "step among blanks",
      STR(FROM STEP("vc-request") MIXED
          "\r\n--b\r\n\r\n\r\n \t secure-join: vc-request" BLANKS BLANKS BLANKS
          "\r\n\r\n" CLOSE),
      SJ, SJ },
    { "encoded step",
      STR(FROM STEP("vc-request") MIXED
          "\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "c2VjdXJlLWpvaW46IHZjLXJlcXVlc3Q=\r\n" CLOSE),
      SJ, SJ },
    { "the first of two headers counts",
      STR(FROM STEP("vc-request") STEP("x") MIXED "\r\n" JOIN("vc-request") CLOSE), SJ,
      SJ },
    { "the second of two headers does not",
      STR(FROM STEP("x") STEP("vc-request") MIXED "\r\n" JOIN("vc-request") CLOSE), NO,
      NO },
    { "step in a multipart within",
      STR(FROM STEP("vc-request") MIXED
          "\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n"
          "secure-join: vc-request\r\n--c--\r\n" CLOSE),
      NO, NO },
    { "step behind a line that begins like a delimiter",
      STR(FROM STEP("vc-request") MIXED "\r\n--bx\r\n\r\nBuy now!\r\n" JOIN("vc-request")
              CLOSE),
      NO, NO },
    { "step with two boundaries",
      STR(FROM STEP("vc-request") "Content-Type: multipart/mixed; boundary=b; boundary=c"
                                  "\r\n\r\n--c\r\n\r\nBuy now!\r\n--c--\r\n" JOIN(
                                      "vc-request") CLOSE),
      NO, NO },
    { "step without the blank",
      STR(FROM STEP("vc-request") MIXED
          "\r\n--b\r\n\r\nsecure-join:vc-request\r\n" CLOSE),
      NO, NO },
    { "not multipart",
      STR(FROM STEP(
          "vc-request") "Content-Type: text/plain\r\n\r\nSecure-Join: vc-request\r\n"),
      NO, NO },

    { "setup message",
      STR(FROM "Subject: Autocrypt Setup Message\r\n" MIXED "\r\n--b\r\n\r\nx\r\n" CLOSE),
      SETUP, NO },
    { "setup message of other subject",
      STR(FROM "Subject: Autocrypt Setup\r\n" MIXED "\r\n--b\r\n\r\nx\r\n" CLOSE), NO,
      NO },
    { "setup message of other type",
      STR(FROM "Subject: Autocrypt Setup Message\r\nContent-Type: multipart/alternative;"
               " boundary=b\r\n\r\n--b\r\n\r\nx\r\n" CLOSE),
      NO, NO },

    { "bounce", STR(DAEMON AUTO REPORT "\r\n" STATUS), NO, BOUNCE },
    { "bounce from a person", STR(FROM AUTO REPORT "\r\n" STATUS), NO, NO },
    { "bounce that is not automatic", STR(DAEMON REPORT "\r\n" STATUS), NO, NO },
    { "bounce, any word in the field",
      STR(DAEMON "Auto-Submitted: no\r\n" REPORT "\r\n" STATUS), NO, BOUNCE },
    { "bounce from the daemon in capitals and words",
      STR("From: Mail \"Delivery\" <Mailer-Daemon@other.example>\r\n" AUTO REPORT
          "\r\n" STATUS),
      NO, BOUNCE },
    { "bounce from somebody like the daemon",
      STR("From: mailer-daemons@other.example\r\n" AUTO REPORT "\r\n" STATUS), NO, NO },
    { "bounce, empty field", STR(DAEMON "Auto-Submitted:\r\n" REPORT "\r\n" STATUS), NO,
      NO },
    { "bounce of other type", STR(DAEMON AUTO MIXED "\r\n" STATUS), NO, NO },
    { "bounce without a status",
      STR(DAEMON AUTO REPORT "\r\n--b\r\n\r\nIt failed.\r\n" CLOSE), NO, BOUNCE },
    { "bounce without parts",
      STR(DAEMON AUTO "Content-Type: Multipart/Report\r\n\r\nIt failed.\r\n"), NO,
      BOUNCE },
};

static enum encrypted_verdict judge(struct arena *a, str_t message,
                                    enum encrypted_direction direction,
                                    const str_t *recipients, size_t count)
{
    struct encrypted_query q = { direction, message, recipients, count };
    struct encrypted_result r;

    encrypted_judge(a, &q, &r);
    if (r.header_rc != RC_OK || r.author_rc != RC_OK)
        assert_int_equal(r.verdict, ENCRYPTED_NO);
    return r.verdict;
}

static void table_of_verdicts(void **state)
{
    static const str_t self[] = { STR("Alice@CHAT.example") };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned out = judge(a, cases[i].message, ENCRYPTED_OUTGOING, self, 1);
        unsigned in = judge(a, cases[i].message, ENCRYPTED_INCOMING, self, 1);

        if (out != cases[i].outgoing || in != cases[i].incoming)
            print_error("case: %s: %s, %s\n", cases[i].name, encrypted_verdict_name(out),
                        encrypted_verdict_name(in));
        assert_int_equal(out, cases[i].outgoing);
        assert_int_equal(in, cases[i].incoming);
    }
    arena_free(&a);
}

static void setup_message_only_to_oneself(void **state)
{
    static const str_t message = STR(FROM "Subject: Autocrypt Setup Message\r\n" MIXED
                                          "\r\n--b\r\n\r\nx\r\n" CLOSE);
    static const str_t two[] = { STR("alice@chat.example"), STR("alice@chat.example") };
    static const str_t other[] = { STR("bob@chat.example") };
    struct arena *a = arena_new();

    (void)state;
    assert_int_equal(judge(a, message, ENCRYPTED_OUTGOING, two, 1), SETUP);
    assert_int_equal(judge(a, message, ENCRYPTED_OUTGOING, two, 2), NO);
    assert_int_equal(judge(a, message, ENCRYPTED_OUTGOING, two, 0), NO);
    assert_int_equal(judge(a, message, ENCRYPTED_OUTGOING, other, 1), NO);
    arena_free(&a);
}

static void reasons_are_told(void **state)
{
    struct arena *a = arena_new();
    struct encrypted_query q = { ENCRYPTED_OUTGOING, S(HEAD ENC "\r\n" GOOD), NULL, 0 };
    struct encrypted_result r;

    (void)state;
    encrypted_judge(a, &q, &r);
    assert_int_equal(r.author_rc, RC_OK);
    assert_true(str_eq(r.author.text, S("alice@chat.example")));
    q.message = S(HEAD "From: eve@x\r\n" ENC "\r\n" GOOD);
    encrypted_judge(a, &q, &r);
    assert_int_equal(r.author_rc, RC_CONFLICT);
    q.message = S(HEAD "rubbish\r\n" ENC "\r\n" GOOD);
    encrypted_judge(a, &q, &r);
    assert_int_equal(r.header_rc, RC_INVALID);
    q.message = S("\r\n");
    encrypted_judge(a, &q, &r);
    assert_int_equal(r.author_rc, RC_NOT_FOUND);
    arena_free(&a);
}

/* However long a bounce is and into how many parts it falls: a server may return the
 * whole message. */
static void a_bounce_may_be_large(void **state)
{
    static const str_t head = STR(DAEMON AUTO REPORT "\r\n");
    enum { TIMES = 20000 };
    struct arena *a = arena_new();
    struct buf *b = arena_buf(a, 1 << 23);

    (void)state;
    buf_put(b, head);
    for (int i = 0; i < TIMES; i++)
        buf_puts(b, "--b\r\n\r\na part that says nothing, but that at some length\r\n");
    assert_true(b->n > 1024 * 1024 && !b->full);
    assert_int_equal(judge(a, buf_str(b), ENCRYPTED_INCOMING, NULL, 0), BOUNCE);
    assert_int_equal(judge(a, buf_str(b), ENCRYPTED_OUTGOING, NULL, 0), NO);
    arena_free(&a);
}

/* A body of 24 MB in 64 character lines: memory must not grow with it. */
static void size_costs_no_memory(void **state)
{
    enum { LINES = 380000 }; /* of 48 bytes; the SEIPD packet's length says one more */
    static const str_t head =
        STR(HEAD ENC "\r\n" PART1 PART2 "-----BEGIN PGP MESSAGE-----\r\n"
                     "\r\nwQMDa2vS/wEWUgEB\r\n");
    struct arena *text = arena_new(), *a = arena_new();
    struct buf *b = arena_buf(text, 1 << 25);

    (void)state;
    buf_put(b, head);
    for (int i = 0; i < LINES; i++)
        buf_puts(b,
                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
    buf_puts(b, "-----END PGP MESSAGE-----\r\n" CLOSE);
    assert_int_equal(judge(a, buf_str(b), ENCRYPTED_OUTGOING, NULL, 0), YES);
    assert_true(arena_used(a) < 16 * 1024);
    arena_free(&text);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_verdicts),
        cmocka_unit_test(setup_message_only_to_oneself),
        cmocka_unit_test(reasons_are_told),
        cmocka_unit_test(a_bounce_may_be_large),
        cmocka_unit_test(size_costs_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
