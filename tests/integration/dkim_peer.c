/* dkim_peer.c - our DKIM as a program, to try it against others.
 *
 * dkim_peer sign DOMAIN SELECTOR KEY NOW FILE...     a signature field for each message
 * dkim_peer verify RECORD NOW FILE...                a line of outcomes for each message
 * dkim_peer record KEY                               the text for the zone
 *
 * KEY: a file with the private key, in DER or PEM; RECORD: one with the record's text.
 */
#include "base/arena.h"
#include "base/log.h"
#include "mail/dkim_sign.h"
#include "mail/dkim_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20, PIECE_BYTES = 7 };

static str_t read_file(struct arena *a, const char *path)
{
    char *p = arena_alloc(a, FILE_MAX_BYTES);
    FILE *f = fopen(path, "rb");
    size_t n;

    CHECK(f != NULL);
    n = fread(p, 1, FILE_MAX_BYTES, f);
    CHECK(n < FILE_MAX_BYTES);
    fclose(f);
    return str_n(p, n);
}

static struct crypto_key *read_key(struct arena *a, const char *path)
{
    struct crypto_key *key = NULL;

    CHECK(crypto_key_read_private(read_file(a, path), &key) == RC_OK);
    return key;
}

/* In small pieces, as it might come from the network. */
static void hash_body(struct dkim_body *body, unsigned canons, str_t text)
{
    dkim_body_init(body, canons);
    for (; text.n > 0; text = str_skip(text, PIECE_BYTES))
        dkim_body_feed(body, str_head(text, PIECE_BYTES));
    dkim_body_end(body);
}

static void sign(struct arena *a, struct dkim_sign *s, str_t message)
{
    str_t header = str_head(message, header_end(message)), field;
    struct dkim_header fields;
    struct dkim_body body;

    hash_body(&body, 1 << DKIM_CANON_RELAXED, str_skip(message, header.n));
    s->body_hash = dkim_body_get(&body, DKIM_CANON_RELAXED);
    dkim_header_init(a, header, &fields);
    field = dkim_sign(a, &fields, s);
    fwrite(field.p, 1, field.n, stdout);
    dkim_body_fini(&body);
}

static void verify(struct arena *a, const struct dkim_key *key, int64_t now,
                   str_t message)
{
    str_t header = str_head(message, header_end(message));
    struct dkim_signature list[DKIM_SIGNATURE_MAX];
    size_t count = dkim_signature_find(a, header, list);
    struct dkim_header fields;
    struct dkim_body body;

    hash_body(&body, dkim_signature_canons(list, count), str_skip(message, header.n));
    dkim_header_init(a, header, &fields);
    for (size_t i = 0; i < count; i++) {
        enum dkim_outcome outcome = dkim_verify_without_key(&list[i], &body, now);

        if (outcome == DKIM_OUTCOME_PASS)
            outcome = dkim_verify_with_key(a, &list[i], &fields, key);
        printf("%s%s: %s", i == 0 ? "" : "; ", dkim_outcome_word(outcome),
               dkim_outcome_text(outcome));
    }
    printf("\n");
    dkim_body_fini(&body);
}

int main(int argc, char **argv)
{
    struct arena *a = arena_new();

    if (argc > 6 && strcmp(argv[1], "sign") == 0) {
        struct crypto_key *key = read_key(a, argv[4]);
        struct dkim_sign s = { .domain = str_of(argv[2]),
                               .selector = str_of(argv[3]),
                               .key = key,
                               .now_unix = atoll(argv[5]),
                               .valid_s = 432000 };

        for (int i = 6; i < argc; i++)
            sign(a, &s, read_file(a, argv[i]));
        crypto_key_free(&key);
    } else if (argc > 4 && strcmp(argv[1], "verify") == 0) {
        struct dkim_key key;

        CHECK(dkim_key_parse(a, read_file(a, argv[2]), &key) == DKIM_OUTCOME_PASS);
        for (int i = 4; i < argc; i++)
            verify(a, &key, atoll(argv[3]), read_file(a, argv[i]));
        dkim_key_fini(&key);
    } else if (argc == 3 && strcmp(argv[1], "record") == 0) {
        struct crypto_key *key = read_key(a, argv[2]);
        str_t record = dkim_key_record(a, key);

        fwrite(record.p, 1, record.n, stdout);
        crypto_key_free(&key);
    } else {
        return 2;
    }
    arena_free(&a);
    return 0;
}
