/* dkim_key_fuzz.c - a stranger's record and key lead to an answer. */
#include "mail/dkim_key.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char hash[CRYPTO_SHA256_BYTES] = { 1 };
    str_t text = str_n((const char *)data, size);
    struct arena *a = arena_new();
    struct crypto_key *key = NULL;
    struct dkim_key record;

    if (dkim_key_parse(a, text, &record) == DKIM_OUTCOME_PASS) {
        crypto_key_verify(record.public, hash, text);
        crypto_key_verify(record.public, hash,
                          str_head(text, crypto_key_bits(record.public) / 8));
    } else {
        CHECK(record.public == NULL);
    }
    dkim_key_fini(&record);
    /* The bytes themselves as a key, which base64 seldom lets through. */
    for (int kind = CRYPTO_KEY_RSA; kind <= CRYPTO_KEY_ED25519; kind++) {
        if (crypto_key_read_public((enum crypto_key_kind)kind, text, &key) == RC_OK)
            crypto_key_verify(key, hash, text);
        crypto_key_free(&key);
    }
    if (crypto_key_read_private(text, &key) == RC_OK)
        CHECK(crypto_key_private(a, key).n > 0 && crypto_key_public(a, key).n > 0);
    crypto_key_free(&key);
    arena_free(&a);
    return 0;
}
