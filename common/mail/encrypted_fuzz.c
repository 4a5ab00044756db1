/* encrypted_fuzz.c - what may go out may also come in. */
#include "mail/encrypted.h"

#include "base/arena.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str_t self[] = { STR("a@b") };
    struct arena *a = arena_new();
    struct encrypted_query q = { ENCRYPTED_OUTGOING, str_n((const char *)data, size),
                                 self, 1 };
    struct encrypted_result out, in;

    encrypted_judge(a, &q, &out);
    q.direction = ENCRYPTED_INCOMING;
    encrypted_judge(a, &q, &in);
    CHECK(encrypted_verdict_name(in.verdict) != NULL);
    if (out.verdict == ENCRYPTED_YES || out.verdict == ENCRYPTED_SECUREJOIN)
        CHECK(in.verdict == out.verdict);
    CHECK(out.verdict != ENCRYPTED_BOUNCE && in.verdict != ENCRYPTED_SETUP_MESSAGE);
    if (out.verdict != ENCRYPTED_NO)
        CHECK(out.author_rc == RC_OK && out.header_rc == RC_OK && out.author.text.n > 0);
    arena_free(&a);
    return 0;
}
