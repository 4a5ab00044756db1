/* header_fuzz.c - the fields are the header, byte for byte; what is composed from it can
 * be read again.
 */
#include "mail/header.h"

#include "base/arena.h"
#include "base/log.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/header_names.h"
#include "mail/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void iterate(struct arena *a, str_t message)
{
    struct header_field f;
    struct header_iter it;
    const char *at = message.p;

    header_init(&it, message);
    while (header_next(&it, &f)) {
        str_t line = header_unfold(a, f.value);
        int64_t t;

        CHECK(f.whole.p == at && f.whole.n > 0);
        at += f.whole.n;
        CHECK(str_find_char(line, '\n') == SIZE_MAX);
        date_parse(line, &t);
        date_parse_internal(line, &t);
    }
    if (it.fields < HEADER_MAX_FIELDS)
        CHECK((size_t)(at - message.p) <= header_end(message));
}

static void compose(struct arena *a, str_t message)
{
    static const struct dsn_recipient who = { .address = STR("a@b"),
                                              .status = STR("5.1.1"),
                                              .diagnostic = STR("x") };
    struct dsn d = { .domain = S("d"),
                     .hostname = S("h"),
                     .to = S("a@b"),
                     .token = S("t"),
                     .recipients = &who,
                     .recipient_count = 1,
                     .original = message };
    static const str_t names[] = { STR("Subject"), STR("X-*") };
    static const struct header_names only = { .names = names, .count = 2 };
    const struct scrub_wishes wishes = { .only = message.n % 2 == 0 ? &only : NULL };
    struct scrub_result s;

    if (scrub_compose(a, SCRUB_SUBMISSION, &wishes, S("a@b"), message, &s) == RC_OK) {
        CHECK(header_check(s.header) == RC_OK && header_end(s.header) == s.header.n);
        CHECK(header_count(s.header, S("Received")) == 0);
        CHECK(header_count(s.header, S("Return-Path")) == 1);
    }
    CHECK(header_check(dsn_compose(a, &d)) == RC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t message = str_n((const char *)data, size);
    struct arena *a = arena_new();

    iterate(a, message);
    compose(a, message);
    arena_free(&a);
    return 0;
}
