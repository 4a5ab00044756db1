/* smtp_dsn.c - the parameters of RFC 3461. */
#include "smtp/smtp_dsn.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/address.h"
#include "mail/xtext.h"

#include <string.h>

static const struct {
    str_t word;
    unsigned bit;
} words[] = {
    { STR("NEVER"), ENVELOPE_NOTIFY_NEVER },
    { STR("SUCCESS"), ENVELOPE_NOTIFY_SUCCESS },
    { STR("FAILURE"), ENVELOPE_NOTIFY_FAILURE },
    { STR("DELAY"), ENVELOPE_NOTIFY_DELAY },
};

/* RFC 3461 4.2, 4.4 */
static bool is_printable(str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 127)
            return false;
    return true;
}

enum rc smtp_dsn_ret(str_t value, enum envelope_ret *out)
{
    *out = str_eq_nocase(value, S("FULL"))   ? ENVELOPE_RET_FULL
           : str_eq_nocase(value, S("HDRS")) ? ENVELOPE_RET_HDRS
                                             : ENVELOPE_RET_NONE;
    return *out != ENVELOPE_RET_NONE ? RC_OK : RC_INVALID;
}

enum rc smtp_dsn_envid(struct arena *a, str_t value, str_t *out)
{
    if (value.n == 0 || value.n > SMTP_DSN_ENVID_BYTES ||
        xtext_decode(a, value, out) != RC_OK)
        return RC_INVALID;
    return is_printable(*out) ? RC_OK : RC_INVALID;
}

static unsigned notify_bit(str_t word)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(words[i].word, word))
            return words[i].bit;
    return 0;
}

enum rc smtp_dsn_notify(str_t value, unsigned *out)
{
    size_t count = 1;

    *out = 0;
    for (size_t i = 0; i < value.n; i++)
        count += value.p[i] == ',';
    for (size_t i = 0; i < count; i++) {
        size_t comma = str_find_char(value, ',');
        unsigned bit = notify_bit(str_head(value, comma));

        if (bit == 0 || (*out & bit) != 0)
            return RC_INVALID;
        *out |= bit;
        value = str_skip(value, comma == SIZE_MAX ? value.n : comma + 1);
    }
    return (*out & ENVELOPE_NOTIFY_NEVER) != 0 && count > 1 ? RC_INVALID : RC_OK;
}

/* One letter of UTF-8, *n bytes of s, which is valid. */
static unsigned letter_of(str_t s, size_t *n)
{
    unsigned char c = (unsigned char)s.p[0];
    unsigned letter;

    *n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    letter = *n == 1 ? c : c & (0xffU >> (*n + 1));
    for (size_t i = 1; i < *n; i++)
        letter = letter << 6 | ((unsigned char)s.p[i] & 0x3f);
    return letter;
}

/* RFC 6533 3: utf-8-addr-xtext stays, utf-8-addr-unitext becomes it. */
static enum rc take_utf8(struct arena *a, str_t address, bool utf8, str_t *out)
{
    struct buf *b = arena_buf(a, 32 + 10 * SMTP_DSN_ORCPT_BYTES);
    size_t n;

    if (!address_is_utf8(address))
        return RC_INVALID;
    buf_puts(b, "utf-8;");
    for (; address.n > 0; address = str_skip(address, n)) {
        unsigned letter = letter_of(address, &n);

        if (letter <= ' ' || letter == '=' || letter == '+' || letter == 127 ||
            (letter > 127 && !utf8))
            return RC_INVALID;
        if (letter > 127)
            buf_printf(b, "\\x{%X}", letter);
        else
            buf_putc(b, (char)letter);
    }
    *out = buf_str(b);
    return RC_OK;
}

enum rc smtp_dsn_orcpt(struct arena *a, str_t value, bool utf8, str_t *out)
{
    size_t semicolon = str_find_char(value, ';');
    str_t type = str_head(value, semicolon);
    str_t address = str_skip(value, semicolon == SIZE_MAX ? value.n : semicolon + 1);

    if (value.n > SMTP_DSN_ORCPT_BYTES || type.n == 0 || type.n > 63 || address.n == 0)
        return RC_INVALID;
    /* addr-type is an atom */
    if (!is_printable(type))
        return RC_INVALID;
    for (size_t i = 0; i < type.n; i++)
        if (strchr(" ()<>@,;:\\\".[]", type.p[i]) != NULL)
            return RC_INVALID;
    if (str_eq_nocase(type, S("utf-8")))
        return take_utf8(a, address, utf8, out);
    if (xtext_decode(a, address, &address) != RC_OK || !is_printable(address))
        return RC_INVALID;
    *out = str_of(arena_printf(a, "%.*s;%.*s", STR_ARG(type), STR_ARG(address)));
    return RC_OK;
}

void smtp_dsn_put_mail(struct buf *out, enum envelope_ret ret, str_t envid)
{
    if (ret != ENVELOPE_RET_NONE)
        buf_puts(out, ret == ENVELOPE_RET_FULL ? " RET=FULL" : " RET=HDRS");
    if (envid.n == 0)
        return;
    buf_puts(out, " ENVID=");
    xtext_put(out, envid);
}

void smtp_dsn_put_rcpt(struct buf *out, unsigned notify, str_t orcpt)
{
    size_t semicolon = str_find_char(orcpt, ';'), mark;
    const char *before = " NOTIFY=";

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if ((notify & words[i].bit) == 0)
            continue;
        buf_puts(out, before);
        buf_put(out, words[i].word);
        before = ",";
    }
    mark = out->n;
    if (semicolon == SIZE_MAX)
        return;
    buf_printf(out, " ORCPT=%.*s;", STR_ARG(str_head(orcpt, semicolon)));
    if (str_starts_nocase(orcpt, S("utf-8;")))
        buf_put(out, str_skip(orcpt, semicolon + 1));
    else
        xtext_put(out, str_skip(orcpt, semicolon + 1));
    if (out->n - mark > strlen(" ORCPT=") + SMTP_DSN_ORCPT_BYTES)
        buf_truncate(out, mark); /* by its letters beyond ASCII: nobody would take it */
}
