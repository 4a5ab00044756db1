/* dkim_signature.c - each tag is a row with its reader. */
#include "mail/dkim_signature.h"

#include "base/arena.h"
#include "mail/address.h"
#include "mail/dkim_tags.h"

enum { TIME_DIGITS = 12, LENGTH_DIGITS = 76 };

typedef enum dkim_outcome (*reader_fn)(struct arena *a, str_t value,
                                       struct dkim_signature *out);

static bool is_number(str_t s, size_t max_digits)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!str_is_digit(s.p[i]))
            return false;
    }
    return s.n > 0 && s.n <= max_digits;
}

static enum dkim_outcome read_version(struct arena *a, str_t value,
                                      struct dkim_signature *out)
{
    (void)a;
    (void)out;
    return str_eq(value, S("1")) ? DKIM_OUTCOME_PASS : DKIM_OUTCOME_VERSION;
}

/* RFC 8301 3.1: rsa-sha1 is no longer valid. */
static enum dkim_outcome read_algorithm(struct arena *a, str_t value,
                                        struct dkim_signature *out)
{
    (void)a;
    if (str_eq(value, S("rsa-sha1")))
        return DKIM_OUTCOME_SHA1;
    out->kind = str_eq(value, S("ed25519-sha256")) ? CRYPTO_KEY_ED25519 : CRYPTO_KEY_RSA;
    return out->kind == CRYPTO_KEY_ED25519 || str_eq(value, S("rsa-sha256"))
               ? DKIM_OUTCOME_PASS
               : DKIM_OUTCOME_ALGORITHM;
}

static enum dkim_outcome read_domain(struct arena *a, str_t value,
                                     struct dkim_signature *out)
{
    if (!address_is_domain(value, ADDRESS_UTF8))
        return DKIM_OUTCOME_SYNTAX;
    out->domain = arena_str_lower(a, value);
    return DKIM_OUTCOME_PASS;
}

static enum dkim_outcome read_selector(struct arena *a, str_t value,
                                       struct dkim_signature *out)
{
    if (!address_is_domain(value, ADDRESS_UTF8))
        return DKIM_OUTCOME_SYNTAX;
    out->selector = arena_str_lower(a, value);
    return DKIM_OUTCOME_PASS;
}

static enum dkim_outcome read_canon(struct arena *a, str_t value,
                                    struct dkim_signature *out)
{
    static const str_t words[DKIM_CANON_COUNT] = {
        [DKIM_CANON_SIMPLE] = STR("simple"), [DKIM_CANON_RELAXED] = STR("relaxed")
    };
    enum dkim_canon *const to[2] = { &out->header_canon, &out->body_canon };
    size_t slash = str_find_char(value, '/');
    str_t part[2] = { str_head(value, slash), slash == SIZE_MAX
                                                  ? words[DKIM_CANON_SIMPLE]
                                                  : str_skip(value, slash + 1) };

    (void)a;
    for (size_t i = 0; i < 2; i++) {
        if (str_eq(part[i], words[DKIM_CANON_RELAXED]))
            *to[i] = DKIM_CANON_RELAXED;
        else if (!str_eq(part[i], words[DKIM_CANON_SIMPLE]))
            return DKIM_OUTCOME_SYNTAX;
    }
    return DKIM_OUTCOME_PASS;
}

static bool is_field_name(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127)
            return false;
    }
    return s.n > 0;
}

static enum dkim_outcome read_names(struct arena *a, str_t value,
                                    struct dkim_signature *out)
{
    bool has_from = false;
    size_t count = 1;
    str_t name;

    for (size_t i = 0; i < value.n; i++)
        count += value.p[i] == ':';
    if (count > DKIM_SIGNATURE_MAX_NAMES)
        return DKIM_OUTCOME_SYNTAX;
    out->names = arena_array(a, count, sizeof(*out->names));
    while (dkim_tags_split(&value, &name)) {
        if (!is_field_name(name))
            return DKIM_OUTCOME_SYNTAX;
        has_from |= str_eq_nocase(name, S("From"));
        out->names[out->name_count++] = name;
    }
    if (out->name_count != count)
        return DKIM_OUTCOME_SYNTAX;
    return has_from ? DKIM_OUTCOME_PASS : DKIM_OUTCOME_FROM_UNSIGNED;
}

static enum dkim_outcome read_body_hash(struct arena *a, str_t value,
                                        struct dkim_signature *out)
{
    return dkim_tags_base64(a, value, &out->body_hash) == RC_OK &&
                   out->body_hash.n == CRYPTO_SHA256_BYTES
               ? DKIM_OUTCOME_PASS
               : DKIM_OUTCOME_SYNTAX;
}

static enum dkim_outcome read_signature(struct arena *a, str_t value,
                                        struct dkim_signature *out)
{
    return dkim_tags_base64(a, value, &out->signature) == RC_OK ? DKIM_OUTCOME_PASS
                                                                : DKIM_OUTCOME_SYNTAX;
}

/* The local part may hold anything, and may be missing. */
static enum dkim_outcome read_identity(struct arena *a, str_t value,
                                       struct dkim_signature *out)
{
    size_t at = value.n;

    while (at > 0 && value.p[at - 1] != '@')
        at--;
    if (at == 0 || !address_is_domain(str_skip(value, at), ADDRESS_UTF8))
        return DKIM_OUTCOME_SYNTAX;
    out->identity = arena_str_lower(a, str_skip(value, at));
    return DKIM_OUTCOME_PASS;
}

/* Whatever it says: whoever may add to a body makes the reader see something else. */
static enum dkim_outcome read_length(struct arena *a, str_t value,
                                     struct dkim_signature *out)
{
    (void)a;
    (void)out;
    return is_number(value, LENGTH_DIGITS) ? DKIM_OUTCOME_LENGTH : DKIM_OUTCOME_SYNTAX;
}

static enum dkim_outcome read_query(struct arena *a, str_t value,
                                    struct dkim_signature *out)
{
    (void)a;
    (void)out;
    return dkim_tags_has(value, S("dns/txt")) ? DKIM_OUTCOME_PASS : DKIM_OUTCOME_QUERY;
}

static enum dkim_outcome read_time(str_t value, int64_t *out)
{
    uint64_t t;

    if (!is_number(value, TIME_DIGITS) || !str_to_u64(value, INT64_MAX, &t))
        return DKIM_OUTCOME_SYNTAX;
    *out = (int64_t)t;
    return DKIM_OUTCOME_PASS;
}

static enum dkim_outcome read_signed(struct arena *a, str_t value,
                                     struct dkim_signature *out)
{
    (void)a;
    return read_time(value, &out->signed_unix);
}

static enum dkim_outcome read_expires(struct arena *a, str_t value,
                                      struct dkim_signature *out)
{
    (void)a;
    return read_time(value, &out->expires_unix);
}

/* Who and how come first: a reply says more about them than about a later mistake. */
static const struct {
    str_t name;
    bool required;
    reader_fn read;
} tags_known[] = {
    { STR("v"), true, read_version },    { STR("d"), true, read_domain },
    { STR("s"), true, read_selector },   { STR("a"), true, read_algorithm },
    { STR("c"), false, read_canon },     { STR("q"), false, read_query },
    { STR("i"), false, read_identity },  { STR("h"), true, read_names },
    { STR("bh"), true, read_body_hash }, { STR("b"), true, read_signature },
    { STR("l"), false, read_length },    { STR("t"), false, read_signed },
    { STR("x"), false, read_expires },
};

static bool is_within(str_t domain, str_t parent)
{
    return str_eq(domain, parent) ||
           (domain.n > parent.n && domain.p[domain.n - parent.n - 1] == '.' &&
            str_eq(str_skip(domain, domain.n - parent.n), parent));
}

static enum dkim_outcome read_tags(struct arena *a, const struct dkim_tags *tags,
                                   struct dkim_signature *out)
{
    for (size_t i = 0; i < ARRAY_LEN(tags_known); i++) {
        const struct dkim_tag *tag = dkim_tags_find(tags, tags_known[i].name);
        enum dkim_outcome outcome = DKIM_OUTCOME_SYNTAX;

        if (tag != NULL)
            outcome = tags_known[i].read(a, tag->value, out);
        else if (!tags_known[i].required)
            continue;
        if (outcome != DKIM_OUTCOME_PASS)
            return outcome;
    }
    if (out->identity.n == 0)
        out->identity = out->domain;
    if (!is_within(out->identity, out->domain))
        return DKIM_OUTCOME_IDENTITY;
    if (out->expires_unix >= 0 && out->expires_unix <= out->signed_unix)
        return DKIM_OUTCOME_SYNTAX;
    return DKIM_OUTCOME_PASS;
}

/* RFC 6376 3.7: the value of b= and the blanks around it are gone, and nothing else. */
static struct header_field without(struct arena *a, const struct header_field *field,
                                   str_t raw)
{
    size_t before = (size_t)(raw.p - field->whole.p);
    str_t after = str_skip(field->whole, before + raw.n);
    struct buf *to = arena_buf(a, field->whole.n);
    struct header_field f;

    buf_put(to, str_head(field->whole, before));
    buf_put(to, after);
    f.whole = buf_str(to);
    f.name = str_head(f.whole, field->name.n);
    f.value =
        str_n(f.whole.p + (field->value.p - field->whole.p), field->value.n - raw.n);
    return f;
}

void dkim_signature_parse(struct arena *a, const struct header_field *field,
                          struct dkim_signature *out)
{
    struct dkim_tags tags;

    *out =
        (struct dkim_signature){ .field = *field, .signed_unix = -1, .expires_unix = -1 };
    out->outcome = DKIM_OUTCOME_SYNTAX;
    if (field->whole.n > DKIM_SIGNATURE_MAX_BYTES ||
        dkim_tags_parse(field->value, &tags) != RC_OK)
        return;
    out->outcome = read_tags(a, &tags, out);
    if (out->outcome == DKIM_OUTCOME_PASS)
        out->unsigned_field = without(a, field, dkim_tags_find(&tags, S("b"))->raw);
}

size_t dkim_signature_find(struct arena *a, str_t header,
                           struct dkim_signature out[DKIM_SIGNATURE_MAX])
{
    struct header_field field;
    struct header_iter it;
    size_t count = 0;

    header_init(&it, header);
    while (count < DKIM_SIGNATURE_MAX && header_next(&it, &field)) {
        if (str_eq_nocase(field.name, S("DKIM-Signature")))
            dkim_signature_parse(a, &field, &out[count++]);
    }
    return count;
}

unsigned dkim_signature_canons(const struct dkim_signature *list, size_t count)
{
    unsigned canons = 0;

    for (size_t i = 0; i < count; i++) {
        if (list[i].outcome == DKIM_OUTCOME_PASS)
            canons |= 1U << list[i].body_canon;
    }
    return canons;
}
