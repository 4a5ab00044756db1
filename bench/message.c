/* message.c - a PKESK packet, then a SEIPD packet of random bytes, in ASCII armor. */
#include "message.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE_BYTES = 48, PKESK_BYTES = 94 }; /* 48 bytes become 64 characters */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void put_base64(struct buf *to, const unsigned char *data, size_t n)
{
    char *at = buf_reserve(to, n / 3 * 4 + n / LINE_BYTES * 2 + 8), *start = at;

    CHECK(at != NULL && n % 3 == 0);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];

        *at++ = alphabet[v >> 18];
        *at++ = alphabet[v >> 12 & 63];
        *at++ = alphabet[v >> 6 & 63];
        *at++ = alphabet[v & 63];
        if ((i + 3) % LINE_BYTES == 0 || i + 3 == n) {
            *at++ = '\r';
            *at++ = '\n';
        }
    }
    buf_commit(to, (size_t)(at - start));
}

/* Both packets in the new format; total is a multiple of 3, so base64 has no padding. */
static size_t make_packets(unsigned char *p, size_t total)
{
    size_t body = total - (2 + PKESK_BYTES) - 6;

    for (size_t i = 0; i + 8 <= total; i += 8) {
        uint64_t r = next_random();

        memcpy(p + i, &r, 8);
    }
    p[0] = 0xc1;
    p[1] = PKESK_BYTES;
    p += 2 + PKESK_BYTES;
    p[0] = 0xd2;
    p[1] = 0xff;
    p[2] = (unsigned char)(body >> 24);
    p[3] = (unsigned char)(body >> 16);
    p[4] = (unsigned char)(body >> 8);
    p[5] = (unsigned char)body;
    return total;
}

void message_compose(struct buf *to, const char *from, uint64_t run, uint64_t seq,
                     size_t body_bytes)
{
    static unsigned char packets[MESSAGE_BODY_MAX_BYTES];
    size_t total = body_bytes * 3 / 4 / LINE_BYTES * LINE_BYTES;
    char date[64];
    time_t now = time(NULL);
    struct tm utc;

    CHECK(total > 200 && total <= sizeof(packets));
    random_state ^= seq * UINT64_C(0xd1342543de82ef95) + run;
    gmtime_r(&now, &utc);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &utc);
    buf_printf(
        to,
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";"
        " boundary=\"b%" PRIx64 "\"\r\nMIME-Version: 1.0\r\nFrom: <%s>\r\n"
        "To: \"hidden-recipients\": ;\r\nSubject: [...]\r\nDate: %s\r\n"
        "Message-ID: <%" PRIx64 ".%" PRIu64 "@localhost>\r\nChat-Version: 1.0\r\n\r\n",
        seq, from, date, run, seq);
    buf_printf(to,
               "--b%" PRIx64 "\r\nContent-Type: application/pgp-encrypted\r\n"
               "Content-Description: PGP/MIME version identification\r\n\r\n"
               "Version: 1\r\n\r\n--b%" PRIx64 "\r\n"
               "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
               "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n"
               "-----BEGIN PGP MESSAGE-----\r\n\r\n",
               seq, seq);
    put_base64(to, packets, make_packets(packets, total));
    buf_printf(to, "=twTO\r\n-----END PGP MESSAGE-----\r\n\r\n--b%" PRIx64 "--\r\n", seq);
}

bool message_seq(str_t header, uint64_t run, uint64_t *seq)
{
    char mark[40];
    size_t at, end;
    int n = snprintf(mark, sizeof(mark), "<%" PRIx64 ".", run);

    at = str_find(header, str_n(mark, (size_t)n));
    if (at == SIZE_MAX)
        return false;
    header = str_skip(header, at + (size_t)n);
    end = str_find_char(header, '@');
    return end != SIZE_MAX && str_to_u64(str_head(header, end), UINT64_MAX / 2, seq);
}
