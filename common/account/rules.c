/* rules.c - which names may log in, and which may become a new account. */
#include "account/rules.h"

#include "base/arena.h"
#include "base/idn.h"
#include "mail/domains.h"

#include <string.h>

/* The relay reserves none (chatmail spec 1.3); these we keep back because of what a
 * stranger could do with them.  Whoever reads the mail of the first five can get a
 * certificate for the domain (CA/Browser Forum baseline requirements 3.2.2.4.4) as soon
 * as his account may receive clear text.  postmaster and abuse are where complaints about
 * him go (RFC 5321 4.5.1, RFC 2142).  mailer-daemon passes the encrypted-only rule of
 * other servers with whatever it calls a report (chatmail spec 3.2.4), and our own
 * reports come from it. */
static const str_t reserved[] = {
    STR("admin"),     STR("administrator"), STR("hostmaster"),    STR("postmaster"),
    STR("webmaster"), STR("abuse"),         STR("mailer-daemon"),
};

static const char *const texts[RULES_COUNT] = {
    [RULES_OK] = "the name and the password may be used",
    [RULES_PASSWORD_SHORT] = "the password is too short",
    [RULES_NAME_MALFORMED] = "the name is not an address",
    [RULES_NAME_LENGTH] = "the name is too short or too long",
    [RULES_NAME_CHARACTERS] = "the name may have the characters a-z 0-9 . _ - only",
    [RULES_NAME_DOMAIN] = "accounts of this domain are not made by those who want one",
    [RULES_NAME_RESERVED] = "the name is reserved",
};

static bool is_login_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(".-_@[]", c) != NULL);
}

static bool is_name_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static bool all_chars(str_t s, bool (*is)(unsigned char))
{
    for (size_t i = 0; i < s.n; i++)
        if (!is((unsigned char)s.p[i]))
            return false;
    return true;
}

static size_t count_characters(str_t s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static bool is_reserved(str_t local)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_eq(local, reserved[i]))
            return true;
    return false;
}

static size_t last_at(str_t s)
{
    size_t at = s.n;

    while (at > 0 && s.p[at - 1] != '@')
        at--;
    return at - 1;
}

/* With its domain as DNS has it. */
static enum rc plain_address(struct arena *a, str_t user, str_t *out)
{
    size_t at = last_at(user);
    struct idn_name domain;

    if (at == SIZE_MAX || idn_to_ascii(str_skip(user, at + 1), &domain) != RC_OK)
        return RC_INVALID;
    *out = arena_str_lower(
        a, str_of(arena_printf(a, "%.*s@%s", (int)at, user.p, domain.text)));
    return RC_OK;
}

enum rc rules_login_address(const struct rules *r, struct arena *a, str_t user,
                            str_t *address)
{
    const struct domains_row *row;
    str_t lower;

    if (user.n == 0 || user.n > RULES_ADDRESS_MAX_BYTES ||
        str_find_char(user, '\0') != SIZE_MAX || plain_address(a, user, &lower) != RC_OK)
        return RC_INVALID;
    if (lower.n > RULES_ADDRESS_MAX_BYTES || !all_chars(lower, is_login_char) ||
        lower.p[0] == '@')
        return RC_INVALID;
    row = domains_find(r->domains, str_skip(lower, last_at(lower) + 1));
    if (row == NULL || !str_eq(row->name, row->main))
        return RC_INVALID;
    *address = lower;
    return RC_OK;
}

enum rules_verdict rules_new_account(const struct rules *r, str_t address, str_t password)
{
    size_t at = str_find_char(address, '@');
    str_t local;

    if (password.n > RULES_PASSWORD_MAX_BYTES ||
        count_characters(password) < r->password_min_length)
        return RULES_PASSWORD_SHORT;
    if (at == SIZE_MAX || str_find_char(str_skip(address, at + 1), '@') != SIZE_MAX)
        return RULES_NAME_MALFORMED;
    local = str_head(address, at);
    if (local.n == 0 || local.n < r->username_min_length ||
        local.n > r->username_max_length)
        return RULES_NAME_LENGTH;
    if (!all_chars(local, is_name_char))
        return RULES_NAME_CHARACTERS;
    if (!r->registers_all && !domains_is_first(r->domains, str_skip(address, at + 1)))
        return RULES_NAME_DOMAIN;
    return is_reserved(local) ? RULES_NAME_RESERVED : RULES_OK;
}

const char *rules_verdict_text(enum rules_verdict v)
{
    return texts[v];
}
