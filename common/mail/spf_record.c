/* spf_record.c - terms between blanks; a modifier has a '=' right behind its name. */
#include "mail/spf_record.h"

#include "mail/spf_macro.h"

#include <arpa/inet.h>
#include <string.h>

enum { TERM_NONE, TERM_MECHANISM, TERM_REDIRECT, TERM_EXP, TERM_UNKNOWN, TERM_INVALID };

enum { TAKES_DOMAIN = 1 << 0, NEEDS_DOMAIN = 1 << 1, TAKES_PREFIX = 1 << 2 };

static const struct {
    const char *name;
    unsigned flags;
} mechanisms[] = {
    [SPF_RECORD_ALL] = { "all", 0 },
    [SPF_RECORD_INCLUDE] = { "include", NEEDS_DOMAIN },
    [SPF_RECORD_A] = { "a", TAKES_DOMAIN | TAKES_PREFIX },
    [SPF_RECORD_MX] = { "mx", TAKES_DOMAIN | TAKES_PREFIX },
    [SPF_RECORD_PTR] = { "ptr", TAKES_DOMAIN },
    [SPF_RECORD_IP4] = { "ip4", 0 },
    [SPF_RECORD_IP6] = { "ip6", 0 },
    [SPF_RECORD_EXISTS] = { "exists", NEEDS_DOMAIN },
};

static const str_t version = STR("v=spf1");

bool spf_record_is(str_t text)
{
    return str_starts_nocase(text, version) &&
           (text.n == version.n || text.p[version.n] == ' ');
}

/* A number without leading zeros behind a '/' at the end: cut off. */
static bool cut_prefix(str_t *s, unsigned max, unsigned *out)
{
    size_t i = s->n;
    uint64_t n;

    while (i > 0 && str_is_digit(s->p[i - 1]))
        i--;
    if (i == 0 || i == s->n || s->p[i - 1] != '/' || (s->p[i] == '0' && s->n - i > 1) ||
        !str_to_u64(str_skip(*s, i), max, &n))
        return false;
    *out = (unsigned)n;
    *s = str_head(*s, i - 1);
    return true;
}

/* dual-cidr-length: "/24", "//64", "/24//64".  What is none of them stays, and is wrong
 * wherever it stays. */
static void cut_prefixes(str_t *s, struct spf_record_term *out)
{
    str_t rest = *s;
    unsigned n = 0;

    if (cut_prefix(&rest, 128, &n) && rest.n > 0 && rest.p[rest.n - 1] == '/') {
        out->prefix6 = n;
        *s = str_head(rest, rest.n - 1);
    }
    if (cut_prefix(s, 32, &n))
        out->prefix4 = n;
}

static bool parse_network(str_t s, struct spf_record_term *out)
{
    bool v4 = out->kind == SPF_RECORD_IP4;
    char text[INET6_ADDRSTRLEN];

    if (s.n == 0 || s.p[0] != ':')
        return false;
    s = str_skip(s, 1);
    if (str_find_char(s, '/') != SIZE_MAX &&
        !cut_prefix(&s, v4 ? 32 : 128, v4 ? &out->prefix4 : &out->prefix6))
        return false;
    if (s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(v4 ? AF_INET : AF_INET6, text, out->ip) == 1;
}

static bool parse_arguments(str_t s, struct spf_record_term *out)
{
    unsigned flags = mechanisms[out->kind].flags;

    if (out->kind == SPF_RECORD_IP4 || out->kind == SPF_RECORD_IP6)
        return parse_network(s, out);
    if ((flags & TAKES_PREFIX) != 0)
        cut_prefixes(&s, out);
    if (s.n == 0)
        return (flags & NEEDS_DOMAIN) == 0;
    if ((flags & (TAKES_DOMAIN | NEEDS_DOMAIN)) == 0 || s.p[0] != ':')
        return false;
    out->domain = str_skip(s, 1);
    return spf_macro_is_domain_spec(out->domain);
}

static bool parse_mechanism(str_t term, struct spf_record_term *out)
{
    str_t s = term, name;
    size_t n = 0;

    *out = (struct spf_record_term){
        .qualifier = '+', .text = term, .prefix4 = 32, .prefix6 = 128
    };
    if (s.n > 0 && memchr("+-~?", s.p[0], 4) != NULL) {
        out->qualifier = s.p[0];
        s = str_skip(s, 1);
    }
    while (n < s.n && s.p[n] != ':' && s.p[n] != '/')
        n++;
    name = str_head(s, n);
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (str_eq_nocase(name, str_of(mechanisms[i].name))) {
            out->kind = (enum spf_record_kind)i;
            return parse_arguments(str_skip(s, n), out);
        }
    return false;
}

/* The bytes of a modifier's name before its '='; 0: it is a mechanism. */
static size_t modifier_name(str_t term)
{
    size_t n = 0;

    for (; n < term.n && term.p[n] != '='; n++) {
        unsigned char c = str_lower_char((unsigned char)term.p[n]);

        if (!(c >= 'a' && c <= 'z') &&
            (n == 0 || !(str_is_digit((char)c) || c == '-' || c == '_' || c == '.')))
            return 0;
    }
    return n < term.n ? n : 0;
}

/* What the next term is; *rest goes behind it. */
static int take_term(str_t *rest, struct spf_record_term *out, str_t *value)
{
    str_t term;
    size_t n;

    while (rest->n > 0 && rest->p[0] == ' ')
        *rest = str_skip(*rest, 1);
    if (rest->n == 0)
        return TERM_NONE;
    n = str_find_char(*rest, ' ');
    term = str_head(*rest, n);
    *rest = str_skip(*rest, term.n);
    n = modifier_name(term);
    if (n == 0)
        return parse_mechanism(term, out) ? TERM_MECHANISM : TERM_INVALID;
    *value = str_skip(term, n + 1);
    if (str_eq_nocase(str_head(term, n), S("redirect")))
        return spf_macro_is_domain_spec(*value) ? TERM_REDIRECT : TERM_INVALID;
    if (str_eq_nocase(str_head(term, n), S("exp")))
        return spf_macro_is_domain_spec(*value) ? TERM_EXP : TERM_INVALID;
    return spf_macro_is_string(*value) ? TERM_UNKNOWN : TERM_INVALID;
}

enum rc spf_record_parse(str_t text, struct spf_record *out)
{
    struct spf_record_term term;
    str_t rest, value;
    int kind;

    *out = (struct spf_record){ .rest = S("") };
    if (!spf_record_is(text) || text.n > SPF_RECORD_MAX_BYTES)
        return RC_INVALID;
    rest = str_skip(text, version.n);
    while ((kind = take_term(&rest, &term, &value)) != TERM_NONE) {
        str_t *modifier = kind == TERM_REDIRECT ? &out->redirect
                          : kind == TERM_EXP    ? &out->exp
                                                : NULL;

        /* 6: each of the two at most once. */
        if (kind == TERM_INVALID || (modifier != NULL && modifier->n > 0))
            return RC_INVALID;
        if (modifier != NULL)
            *modifier = value;
    }
    out->rest = str_skip(text, version.n);
    return RC_OK;
}

bool spf_record_next(struct spf_record *r, struct spf_record_term *out)
{
    str_t value;
    int kind;

    do {
        kind = take_term(&r->rest, out, &value);
    } while (kind != TERM_NONE && kind != TERM_MECHANISM);
    return kind == TERM_MECHANISM;
}
