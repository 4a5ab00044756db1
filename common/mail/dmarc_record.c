/* dmarc_record.c - tags with their values, between semicolons. */
#include "mail/dmarc_record.h"

enum { TAG_P, TAG_SP, TAG_ADKIM, TAG_ASPF, TAG_PCT, TAG_RUA, TAGS };

static const char *const names[TAGS] = { "p", "sp", "adkim", "aspf", "pct", "rua" };

/* "name = value"; false: something else. */
static bool split_tag(str_t tag, str_t *name, str_t *value)
{
    size_t equals = str_find_char(tag, '=');

    if (equals == SIZE_MAX)
        return false;
    *name = str_trim(str_head(tag, equals));
    *value = str_trim(str_skip(tag, equals + 1));
    return name->n > 0;
}

bool dmarc_record_is(str_t text)
{
    str_t tag, name, value;

    /* Nothing may stand before it, and its value is one in this case only. */
    return text.n > 0 && text.p[0] == 'v' && str_split(&text, ';', &tag) &&
           split_tag(tag, &name, &value) && str_eq(name, S("v")) &&
           str_eq(value, S("DMARC1"));
}

static bool parse_policy(str_t s, enum dmarc_policy *out)
{
    static const char *const words[] = { "none", "quarantine", "reject" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(s, str_of(words[i]))) {
            *out = (enum dmarc_policy)i;
            return true;
        }
    return false;
}

/* One URI among those between commas, RFC 3986 3: a scheme, a colon, something. */
static bool has_uri(str_t list)
{
    str_t uri;

    while (str_split(&list, ',', &uri)) {
        size_t colon;

        uri = str_trim(uri);
        colon = str_find_char(uri, ':');
        if (colon != SIZE_MAX && colon > 0 && colon + 1 < uri.n &&
            str_find_char(uri, ' ') == SIZE_MAX)
            return true;
    }
    return false;
}

static enum rc read_tags(str_t text, str_t values[TAGS], bool seen[TAGS])
{
    str_t tag, name, value;

    str_split(&text, ';', &tag); /* the version */
    while (str_split(&text, ';', &tag)) {
        if (!split_tag(tag, &name, &value))
            continue;
        for (size_t i = 0; i < TAGS; i++)
            if (str_eq_nocase(name, str_of(names[i]))) {
                if (seen[i])
                    return RC_INVALID;
                seen[i] = true;
                values[i] = value;
            }
    }
    return RC_OK;
}

enum rc dmarc_record_parse(str_t text, struct dmarc_record *out)
{
    str_t values[TAGS] = { { 0 } };
    bool seen[TAGS] = { false };
    uint64_t percent = 100;
    bool readable;

    *out = (struct dmarc_record){ .percent = 100 };
    if (!dmarc_record_is(text) || read_tags(text, values, seen) != RC_OK)
        return RC_INVALID;
    readable = parse_policy(values[TAG_P], &out->policy);
    out->subdomain_policy = out->policy;
    if (seen[TAG_SP] && !parse_policy(values[TAG_SP], &out->subdomain_policy))
        readable = false;
    if (!readable) {
        if (!has_uri(values[TAG_RUA]))
            return RC_INVALID;
        out->policy = out->subdomain_policy = DMARC_POLICY_NONE;
    }
    out->strict_dkim = str_eq_nocase(values[TAG_ADKIM], S("s"));
    out->strict_spf = str_eq_nocase(values[TAG_ASPF], S("s"));
    if (str_to_u64(values[TAG_PCT], 100, &percent))
        out->percent = (unsigned)percent;
    return RC_OK;
}
