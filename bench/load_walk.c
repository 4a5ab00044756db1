/* load_walk.c - how fast a message is told to be encrypted, without a server.
 *
 * A message of 24 MB lies in memory, as it does when its end has come; in turn it is
 * judged as a whole, its armor walked alone, and its base64 decoded by OpenSSL, which
 * reads the same bytes for comparison.  What is printed are medians, so that a busy
 * machine slows all alike.
 */
#include "load.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "mail/encrypted.h"
#include "mail/openpgp_walk.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BYTES = 24 << 20, /* of text */
    PIECE_BYTES = 48 * 1024,
    ROUNDS_MAX = 1000,
    THINGS = 3,
};

struct subject {
    str_t message, armor;
    struct arena *arena; /* of one judgement */
    size_t judge_bytes;  /* that it took */
};

static void judge(struct subject *s)
{
    const struct encrypted_query q = { .direction = ENCRYPTED_OUTGOING,
                                       .message = s->message };
    struct encrypted_result r;

    encrypted_judge(s->arena, &q, &r);
    CHECK(r.verdict == ENCRYPTED_YES);
    s->judge_bytes = arena_used(s->arena);
    arena_reset(s->arena);
}

static void walk(struct subject *s)
{
    CHECK(openpgp_walk_armored(s->armor, false));
}

static void decode(struct subject *s)
{
    static unsigned char out[PIECE_BYTES];
    EVP_ENCODE_CTX *c = EVP_ENCODE_CTX_new();
    str_t rest = s->armor;
    int n;

    CHECK(c != NULL);
    EVP_DecodeInit(c);
    rest = str_head(rest, str_find(rest, S("\r\n=")));
    for (rest = str_skip(rest, str_find(rest, S("\r\n"))); rest.n > 0;
         rest = str_skip(rest, PIECE_BYTES)) {
        str_t piece = str_head(rest, PIECE_BYTES);

        CHECK(EVP_DecodeUpdate(c, out, &n, (const unsigned char *)piece.p,
                               (int)piece.n) >= 0);
    }
    EVP_ENCODE_CTX_free(c);
}

static const struct {
    const char *name;
    void (*run)(struct subject *s);
} things[THINGS] = { { "judge", judge }, { "walk", walk }, { "openssl", decode } };

static struct subject compose(struct arena *a)
{
    struct buf *b = arena_buf(a, 2 * (size_t)BYTES);
    size_t at;

    message_compose(b, "bench@_bench.localhost", 1, 1, BYTES);
    at = str_find(buf_str(b), S("-----BEGIN"));
    return (struct subject){
        .message = buf_str(b),
        .armor = str_head(str_skip(buf_str(b), at),
                          str_find(str_skip(buf_str(b), at), S("\r\n--b"))),
        .arena = arena_new(),
    };
}

void load_walk(double seconds)
{
    static struct load_samples samples[THINGS];
    struct arena *a = arena_new();
    struct subject s = compose(a);
    int64_t end_us = clock_monotonic_us() + (int64_t)(seconds * 1e6);
    double rate[THINGS];

    for (int round = 0;
         round < ROUNDS_MAX && (round < 3 || clock_monotonic_us() < end_us); round++) {
        for (size_t i = 0; i < THINGS; i++) {
            int64_t begin_us = clock_monotonic_us();

            things[i].run(&s);
            load_sample(&samples[i], clock_monotonic_us() - begin_us);
        }
    }
    printf("message_mb=%.1f judge_kib=%zu", (double)s.message.n / 1e6,
           s.judge_bytes / 1024);
    for (size_t i = 0; i < THINGS; i++) {
        rate[i] = (double)s.message.n / 1e3 / load_percentile(&samples[i], 0.5);
        printf(" %s_mb_per_s=%.0f", things[i].name, rate[i]);
    }
    printf(" walk_of_openssl=%.2f\n", rate[1] / rate[2]);
    arena_free(&s.arena);
    arena_free(&a);
}
