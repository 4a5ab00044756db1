/* dkim_header_test.c - which fields are hashed, in which order. */
#include "mail/dkim_header.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const str_t header = STR("A: 1\r\nB: x\r\na: 2\r\nDKIM-Signature: own\r\nA: 3\r\n"
                                "DKIM-Signature: other\r\nAa: long\r\n");

/* names: one letter each, D for DKIM-Signature. */
static void check(const char *names, str_t expected)
{
    struct arena *a = arena_new();
    struct dkim_header_signed what = { .canon = DKIM_CANON_RELAXED };
    unsigned char got[CRYPTO_SHA256_BYTES], wanted[CRYPTO_SHA256_BYTES];
    struct dkim_header h;
    str_t list[8];

    for (; *names != '\0'; names++)
        list[what.name_count++] = *names == 'D' ? S("DKIM-Signature") : str_n(names, 1);
    what.names = list;
    dkim_header_init(a, header, &h);
    assert_int_equal(h.count, 7);
    what.own = h.fields[3];
    what.own_place = h.fields[3].whole.p;
    dkim_header_hash(a, &h, &what, got);
    crypto_sha256(expected, wanted);
    assert_memory_equal(got, wanted, sizeof(got));
    arena_free(&a);
}

static void selection(void **state)
{
#define OWN "dkim-signature:own"
    (void)state;
    check("", S(OWN));
    check("a", S("a:3\r\n" OWN));
    check("aa", S("a:3\r\na:2\r\n" OWN));
    check("AbaA", S("a:3\r\nb:x\r\na:2\r\na:1\r\n" OWN));
    /* More than there are, and what is not there: nothing. */
    check("aaaaCb", S("a:3\r\na:2\r\na:1\r\nb:x\r\n" OWN));
    /* The field itself is never one of them. */
    check("DD", S("dkim-signature:other\r\n" OWN));
#undef OWN
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(selection) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
