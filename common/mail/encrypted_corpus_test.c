/* encrypted_corpus_test.c - messages with verdicts, many of them made by other programs.
 *
 * tests/corpus/encrypted.txt has them; make-encrypted beside says how each was made.
 */
#include "mail/encrypted.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CORPUS "tests/corpus/encrypted.txt"

enum { MESSAGES_AT_LEAST = 120, MESSAGE_MAX_BYTES = 1 << 20 };

static const char *judge(struct arena *a, enum encrypted_direction direction,
                         str_t message)
{
    static const str_t self = STR("alice@corpus.example");
    const struct encrypted_query q = { direction, message, &self, 1 };
    struct encrypted_result r;

    encrypted_judge(a, &q, &r);
    return r.header_rc != RC_OK || r.author_rc != RC_OK
               ? "malformed"
               : encrypted_verdict_name(r.verdict);
}

static bool is(str_t name, enum encrypted_direction direction, str_t message,
               str_t expected)
{
    struct arena *a = arena_new();
    const char *verdict = judge(a, direction, message);
    bool equal = str_eq(str_of(verdict), expected);

    if (!equal)
        print_message("%.*s, %s: %s, not %.*s\n", STR_ARG(name),
                      direction == ENCRYPTED_OUTGOING ? "outgoing" : "incoming", verdict,
                      STR_ARG(expected));
    arena_free(&a);
    return equal;
}

/* A message, whose line says "= NAME OUTGOING INCOMING BYTES".  True: both verdicts hold.
 */
static bool holds(str_t line, FILE *file)
{
    struct arena *a = arena_new();
    char *bytes = arena_alloc(a, MESSAGE_MAX_BYTES);
    str_t words[5], message;
    uint64_t n;
    bool out, in;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_true(str_split(&line, ' ', &words[i]));
    assert_true(str_eq(words[0], S("=")));
    assert_true(str_to_u64(words[4], MESSAGE_MAX_BYTES, &n));
    assert_int_equal(fread(bytes, 1, n, file), n);
    assert_int_equal(getc(file), '\n');
    message = str_n(bytes, n);
    out = is(words[1], ENCRYPTED_OUTGOING, message, words[2]);
    in = is(words[1], ENCRYPTED_INCOMING, message, words[3]);
    arena_free(&a);
    return out && in;
}

static void has_the_verdicts_of_the_table(void **state)
{
    FILE *file = fopen(CORPUS, "r");
    size_t count = 0, wrong = 0, size = 0;
    char *line = NULL;
    ssize_t n;

    (void)state;
    if (file == NULL)
        fail_msg("cannot read " CORPUS ", which is found from the root of the source");
    while ((n = getline(&line, &size, file)) > 0) {
        if (line[0] == '#')
            continue;
        count++;
        wrong += !holds(str_n(line, (size_t)n - 1), file);
    }
    free(line);
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(count >= MESSAGES_AT_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_verdicts_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
