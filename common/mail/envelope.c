/* envelope.c - the JSON object beside a queued message.
 *
 * A reader of its own, because the object is flat, ours, and read once per message: keys
 * without escapes, values that are true, false, numbers or plain strings.  Whatever else
 * stands there is skipped.
 */
#include "mail/envelope.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mail/address.h"
#include "mail/dkim_body.h"
#include "mail/xtext.h"

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

static const char notify_letters[] = "NSFD"; /* of the bits, in their order */

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

static void put_text(struct buf *b, const char *key, str_t value)
{
    if (value.n == 0)
        return;
    put_key(b, key);
    buf_putc(b, '"');
    xtext_put_quotable(b, value);
    buf_putc(b, '"');
}

/* The usual one repeats the address. */
static bool is_own_orcpt(str_t orcpt, str_t address)
{
    return str_starts_nocase(orcpt, S("rfc822;")) &&
           str_eq(str_skip(orcpt, strlen("rfc822;")), address);
}

/* "address letters orcpt", each of them XTEXT or "-", and "=" for the address, which has
 * no quotes that it can do without: on its way it may lose them. */
static void put_recipient(struct arena *a, struct buf *b,
                          const struct envelope_recipient *r)
{
    str_t address = address_unquote(a, r->address);

    buf_puts(b, b->p[b->n - 1] == '[' ? "\"" : ",\"");
    xtext_put_quotable(b, address);
    buf_putc(b, ' ');
    if (r->notify == 0)
        buf_putc(b, '-');
    for (size_t i = 0; i < strlen(notify_letters); i++)
        if ((r->notify & 1U << i) != 0)
            buf_putc(b, notify_letters[i]);
    buf_putc(b, ' ');
    if (r->orcpt.n == 0)
        buf_putc(b, '-');
    else if (is_own_orcpt(r->orcpt, address))
        buf_putc(b, '=');
    else
        xtext_put_quotable(b, r->orcpt);
    buf_putc(b, '"');
}

size_t envelope_recipient_bytes(struct arena *a, const struct envelope_recipient *r)
{
    struct buf *b = arena_buf(a, ENVELOPE_MAX_BYTES);

    buf_putc(b, ',');
    put_recipient(a, b, r);
    return b->n - 1;
}

static void put_recipients(struct arena *a, struct buf *b, const struct envelope *e)
{
    if (e->recipient_count == 0)
        return;
    put_key(b, "recipients");
    buf_putc(b, '[');
    for (size_t i = 0; i < e->recipient_count; i++)
        put_recipient(a, b, &e->recipients[i]);
    buf_putc(b, ']');
}

str_t envelope_format(struct arena *a, const struct envelope *e)
{
    struct buf *b = arena_buf(a, ENVELOPE_MAX_BYTES);

    buf_putc(b, '{');
    put_flag(b, "smtputf8", e->smtputf8);
    put_flag(b, "eight_bit", e->eight_bit);
    put_flag(b, "submission", e->submission);
    put_flag(b, "quarantine", e->quarantine);
    put_flag(b, "report", e->report);
    put_flag(b, "requiretls", e->requiretls);
    put_flag(b, "tls_optional", e->tls_optional);
    put_flag(b, "ret_full", e->ret == ENVELOPE_RET_FULL);
    put_flag(b, "ret_hdrs", e->ret == ENVELOPE_RET_HDRS);
    put_text(b, "envid", e->envid);
    put_recipients(a, b, e);
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

/* A value: *text is a string's content or a bare word, or all of what is nested. */
static bool take_value(str_t *s, str_t *text)
{
    size_t n = 0;

    skip_blanks(s);
    *text = S("");
    if (s->n == 0)
        return false;
    if (s->p[0] == '"')
        return take_string(s, text);
    if (s->p[0] == '{' || s->p[0] == '[') {
        str_t from = *s;
        bool whole = skip_nested(s);

        *text = str_head(from, from.n - s->n);
        return whole;
    }
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
    else if (str_eq(key, S("report")))
        e->report = flag;
    else if (str_eq(key, S("requiretls")))
        e->requiretls = flag;
    else if (str_eq(key, S("tls_optional")))
        e->tls_optional = flag;
    else if (str_eq(key, S("ret_full")) && flag)
        e->ret = ENVELOPE_RET_FULL;
    else if (str_eq(key, S("ret_hdrs")) && flag)
        e->ret = ENVELOPE_RET_HDRS;
    else if (str_eq(key, S("envid")))
        e->envid = value;
    else if (str_eq(key, S("recipients")) && str_starts(value, S("[")))
        e->recipient_list = value;
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

/* The next entry of a list. */
static bool take_entry(str_t *list, str_t *entry)
{
    return (take_char(list, '[') || take_char(list, ',')) && take_string(list, entry);
}

/* Whose entry it is; *rest: what follows. */
static str_t entry_address(str_t entry, str_t *rest)
{
    size_t blank = str_find_char(entry, ' ');

    *rest = str_skip(entry, blank == SIZE_MAX ? entry.n : blank + 1);
    return str_head(entry, blank);
}

/* As put_recipient writes it. */
static str_t quotable(struct arena *a, str_t address)
{
    struct buf *b = arena_buf(a, 3 * address.n + 1);

    address = address_unquote(a, address);
    xtext_put_quotable(b, address);
    return buf_str(b);
}

static unsigned read_notify(str_t letters)
{
    unsigned notify = 0;

    for (size_t i = 0; i < strlen(notify_letters); i++)
        if (str_find_char(letters, notify_letters[i]) != SIZE_MAX)
            notify |= 1U << i;
    return notify;
}

static str_t read_orcpt(struct arena *a, str_t text, str_t address)
{
    str_t decoded;

    if (str_eq(text, S("=")))
        return str_of(arena_printf(a, "rfc822;%.*s", STR_ARG(address)));
    if (str_eq(text, S("-")) || xtext_decode(a, text, &decoded) != RC_OK)
        return S("");
    return decoded;
}

bool envelope_find(struct arena *a, const struct envelope *e, str_t address,
                   struct envelope_recipient *out)
{
    str_t list = e->recipient_list, entry, rest, wanted = quotable(a, address);

    *out = (struct envelope_recipient){ .address = address };
    while (take_entry(&list, &entry)) {
        if (!str_eq_nocase(entry_address(entry, &rest), wanted))
            continue;
        out->notify = read_notify(str_head(rest, str_find_char(rest, ' ')));
        (void)entry_address(rest, &rest);
        out->orcpt = read_orcpt(a, rest, address_unquote(a, address));
        return true;
    }
    return false;
}

str_t envelope_envid(struct arena *a, const struct envelope *e)
{
    str_t decoded;

    return xtext_decode(a, e->envid, &decoded) == RC_OK ? decoded : S("");
}

static bool is_among(str_t address, const str_t *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(address, wanted[i]))
            return true;
    return false;
}

static void put_some(struct arena *a, struct buf *b, str_t list, const str_t *recipients,
                     size_t n)
{
    str_t *wanted = arena_array(a, n + 1, sizeof(*wanted)), entry, rest;
    size_t mark = b->n;

    for (size_t i = 0; i < n; i++)
        wanted[i] = quotable(a, recipients[i]);
    buf_putc(b, '[');
    while (take_entry(&list, &entry))
        if (is_among(entry_address(entry, &rest), wanted, n))
            buf_printf(b, "%s\"%.*s\"", b->n > mark + 1 ? "," : "", STR_ARG(entry));
    buf_putc(b, ']');
}

str_t envelope_narrow(struct arena *a, str_t text, const str_t *recipients, size_t n)
{
    struct buf *b;
    struct envelope e;
    str_t list;
    size_t before;

    if (!envelope_parse(text, &e) || e.recipient_list.n == 0)
        return text;
    b = arena_buf(a, text.n + 1);
    list = e.recipient_list;
    before = (size_t)(list.p - text.p);
    buf_put(b, str_head(text, before));
    put_some(a, b, list, recipients, n);
    buf_put(b, str_skip(text, before + list.n));
    return buf_str(b);
}
