/* smtp_dsn_fuzz.c - what is taken can be sent, and is then taken as the same. */
#include "smtp/smtp_dsn.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "mail/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_rcpt(struct arena *a, str_t in, bool utf8)
{
    struct buf *b = arena_buf(a, 10000);
    unsigned notify = 0, again = 0;
    str_t orcpt = S(""), text;

    if (smtp_dsn_orcpt(a, in, utf8, &orcpt) != RC_OK)
        orcpt = S("");
    if (smtp_dsn_notify(in, &notify) != RC_OK)
        notify = 0;
    smtp_dsn_put_rcpt(b, notify, orcpt);
    text = buf_str(b);
    for (size_t i = 0; i < text.n; i++)
        CHECK(text.p[i] >= ' ' && text.p[i] <= '~');
    if (str_starts(text, S(" NOTIFY="))) {
        str_t value = str_skip(text, 8);

        CHECK(smtp_dsn_notify(str_head(value, str_find_char(value, ' ')), &again) ==
              RC_OK);
        CHECK(again == notify);
    } else if (str_starts(text, S(" ORCPT="))) {
        CHECK(smtp_dsn_orcpt(a, str_skip(text, 7), false, &text) == RC_OK);
        CHECK(str_eq(text, orcpt));
    }
}

static void try_xtext(struct arena *a, str_t in)
{
    struct buf *b = arena_buf(a, 4 * in.n + 1);
    str_t out;

    xtext_put_quotable(b, in);
    CHECK(xtext_decode(a, buf_str(b), &out) == RC_OK && str_eq(out, in));
    if (xtext_decode(a, in, &out) == RC_OK)
        CHECK(out.n <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t in = str_n((const char *)data, size), out;
    struct arena *a = arena_new();

    try_rcpt(a, in, false);
    try_rcpt(a, in, true);
    try_xtext(a, in);
    if (smtp_dsn_envid(a, in, &out) == RC_OK)
        CHECK(out.n > 0 && out.n <= in.n);
    arena_free(&a);
    return 0;
}
