/* envelope.c - the JSON object beside a queued message.
 *
 * A reader of its own, because the object is flat, ours, and read once per message: keys
 * without escapes, values that are true, false, numbers or plain strings.  Whatever else
 * stands there is skipped.
 */
#include "mail/envelope.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/dkim_body.h"

#include <inttypes.h>
#include <string.h>

enum { NEST_MAX = 16 };

void envelope_hash_body(struct envelope *e, str_t body)
{
    struct dkim_body hash;

    dkim_body_init(&hash, 1U << DKIM_CANON_RELAXED);
    dkim_body_feed(&hash, body);
    dkim_body_end(&hash);
    memcpy(e->body_hash, dkim_body_get(&hash, DKIM_CANON_RELAXED), sizeof(e->body_hash));
    dkim_body_fini(&hash);
    e->has_body_hash = true;
}

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.';
}

static void put_key(struct buf *b, const char *key)
{
    buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", key);
}

static void put_flag(struct buf *b, const char *key, bool value)
{
    if (!value)
        return;
    put_key(b, key);
    buf_puts(b, "true");
}

static void put_id(struct buf *b, const char *key, str_t value)
{
    if (value.n == 0)
        return;
    put_key(b, key);
    buf_putc(b, '"');
    for (size_t i = 0; i < value.n && i < 128; i++)
        if (is_id_char(value.p[i]))
            buf_putc(b, value.p[i]);
    buf_putc(b, '"');
}

static void put_hash(struct buf *b, const char *key, const unsigned char *hash)
{
    char hex[2 * CRYPTO_SHA256_BYTES + 1];

    crypto_hex(hex, str_n((const char *)hash, CRYPTO_SHA256_BYTES));
    put_id(b, key, str_of(hex));
}

str_t envelope_format(struct arena *a, const struct envelope *e)
{
    struct buf *b = arena_buf(a, ENVELOPE_MAX_BYTES);

    buf_putc(b, '{');
    put_flag(b, "smtputf8", e->smtputf8);
    put_flag(b, "eight_bit", e->eight_bit);
    put_flag(b, "submission", e->submission);
    put_flag(b, "quarantine", e->quarantine);
    if (e->account != 0) {
        put_key(b, "account");
        buf_printf(b, "%" PRId64, e->account);
    }
    if (e->has_body_hash)
        put_hash(b, "body_hash", e->body_hash);
    put_id(b, "id", e->id);
    buf_putc(b, '}');
    return buf_str(b);
}

static void skip_blanks(str_t *s)
{
    while (s->n > 0 && memchr(" \t\r\n", s->p[0], 4) != NULL)
        *s = str_skip(*s, 1);
}

static bool take_char(str_t *s, char c)
{
    skip_blanks(s);
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

/* What stands between the quotes, escapes and all. */
static bool take_string(str_t *s, str_t *out)
{
    if (!take_char(s, '"'))
        return false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] == '\\') {
            i++;
        } else if (s->p[i] == '"') {
            *out = str_head(*s, i);
            *s = str_skip(*s, i + 1);
            return true;
        }
    }
    return false;
}

/* An object or array, by counting brackets outside of strings. */
static bool skip_nested(str_t *s)
{
    int depth = 0;
    str_t text;

    while (s->n > 0) {
        char c = s->p[0];

        if (c == '"') {
            if (!take_string(s, &text))
                return false;
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        *s = str_skip(*s, 1);
        if (depth == 0)
            return true;
        if (depth > NEST_MAX)
            return false;
    }
    return false;
}

/* A value: *text is a string's content or a bare word; empty for what is nested. */
static bool take_value(str_t *s, str_t *text)
{
    size_t n = 0;

    skip_blanks(s);
    *text = S("");
    if (s->n == 0)
        return false;
    if (s->p[0] == '"')
        return take_string(s, text);
    if (s->p[0] == '{' || s->p[0] == '[')
        return skip_nested(s);
    while (n < s->n && memchr(",}] \t\r\n", s->p[n], 7) == NULL)
        n++;
    *text = str_head(*s, n);
    *s = str_skip(*s, n);
    return n > 0;
}

static bool is_id(str_t text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_id_char(text.p[i]))
            return false;
    return text.n <= 128;
}

static bool take_hash(str_t text, unsigned char out[CRYPTO_SHA256_BYTES])
{
    for (size_t i = 0; i < CRYPTO_SHA256_BYTES && text.n == 2 * CRYPTO_SHA256_BYTES;
         i++) {
        int high = str_hex_value(text.p[2 * i]), low = str_hex_value(text.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return text.n == 2 * CRYPTO_SHA256_BYTES;
}

static void set_field(struct envelope *e, str_t key, str_t value)
{
    bool flag = str_eq(value, S("true"));
    uint64_t number;

    if (str_eq(key, S("smtputf8")))
        e->smtputf8 = flag;
    else if (str_eq(key, S("eight_bit")))
        e->eight_bit = flag;
    else if (str_eq(key, S("submission")))
        e->submission = flag;
    else if (str_eq(key, S("quarantine")))
        e->quarantine = flag;
    else if (str_eq(key, S("account")) && str_to_u64(value, INT64_MAX, &number))
        e->account = (int64_t)number;
    else if (str_eq(key, S("body_hash")))
        e->has_body_hash = take_hash(value, e->body_hash);
    else if (str_eq(key, S("id")) && is_id(value))
        e->id = value;
}

static bool parse_fields(str_t *s, struct envelope *out)
{
    str_t key, value;

    if (take_char(s, '}'))
        return true;
    do {
        if (!take_string(s, &key) || !take_char(s, ':') || !take_value(s, &value))
            return false;
        set_field(out, key, value);
    } while (take_char(s, ','));
    return take_char(s, '}');
}

bool envelope_parse(str_t text, struct envelope *out)
{
    *out = (struct envelope){ 0 };
    if (take_char(&text, '{') && parse_fields(&text, out))
        return true;
    *out = (struct envelope){ 0 };
    return false;
}
