/* smtp_command.c - command lines, cut from left to right. */
#include "smtp/smtp_command.h"

#include <string.h>

enum { MAX_VERB_BYTES = 16, MAX_MECHANISM_BYTES = 20 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static str_t skip_spaces(str_t s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = str_skip(s, 1);
    return s;
}

/* Up to the next space. */
static str_t take_word(str_t *s)
{
    size_t at = str_find_char(*s, ' ');
    str_t word = str_head(*s, at);

    *s = skip_spaces(str_skip(*s, word.n));
    return word;
}

enum rc smtp_command_split(str_t line, bool utf8, struct smtp_command *out)
{
    str_t rest = line;

    *out = (struct smtp_command){ .verb = str_n(line.p, 0) };
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];

        if (c < ' ' || c == 127 || (c > 127 && !utf8))
            return RC_INVALID;
    }
    if (utf8 && !address_is_utf8(line))
        return RC_INVALID;
    out->verb = take_word(&rest);
    out->rest = str_trim(rest);
    if (out->verb.n == 0 || out->verb.n > MAX_VERB_BYTES)
        return RC_INVALID;
    for (size_t i = 0; i < out->verb.n; i++) {
        if (!is_letter(out->verb.p[i]))
            return RC_INVALID;
    }
    return RC_OK;
}

/* esmtp-keyword of RFC 5321 4.1.2 */
static bool is_keyword(str_t s)
{
    if (s.n == 0 || s.n > 64 || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_letter(s.p[i]) && !str_is_digit(s.p[i]) && s.p[i] != '-')
            return false;
    }
    return true;
}

static enum rc take_params(str_t rest, struct smtp_command_path *out)
{
    while (rest.n > 0) {
        struct smtp_command_param p = { .value = str_n(rest.p, 0) };
        str_t word = take_word(&rest);
        size_t equals = str_find_char(word, '=');

        p.name = str_head(word, equals);
        p.has_value = equals != SIZE_MAX;
        if (p.has_value)
            p.value = str_skip(word, equals + 1);
        if (!is_keyword(p.name) || (p.has_value && p.value.n == 0) ||
            str_find_char(p.value, '=') != SIZE_MAX)
            return RC_INVALID;
        if (out->param_count == SMTP_COMMAND_MAX_PARAMS)
            return RC_LIMIT;
        out->params[out->param_count++] = p;
    }
    return RC_OK;
}

/* "@one,@two:" before an address.  Whoever knows the whole grammar reads over it, as RFC
 * 5321 4.1.1.3 advises; SIZE_MAX if something else is there. */
static size_t source_route_bytes(str_t text)
{
    size_t colon = str_find_char(text, ':');
    str_t hosts = str_head(text, colon), host;

    if (text.n == 0 || text.p[0] != '@')
        return 0;
    if (colon == SIZE_MAX || text.p[colon - 1] == ',')
        return SIZE_MAX;
    while (str_split(&hosts, ',', &host))
        if (host.n < 2 || host.p[0] != '@' ||
            !address_is_domain(str_skip(host, 1), ADDRESS_UTF8))
            return SIZE_MAX;
    return colon + 1;
}

static enum rc take_address(str_t text, unsigned flags, struct address *out)
{
    size_t route = (flags & ADDRESS_FULL) != 0 ? source_route_bytes(text) : 0;

    *out = (struct address){ .text = str_n(text.p, 0) };
    return route == SIZE_MAX ? RC_INVALID
                             : address_parse(str_skip(text, route), flags, out);
}

static enum rc take_path(str_t text, unsigned flags, struct smtp_command_path *out)
{
    enum rc rc;

    if (text.n == 0) {
        out->is_null = true;
        return RC_OK;
    }
    if (str_eq_nocase(text, S("postmaster"))) {
        out->is_postmaster = true;
        return RC_OK;
    }
    rc = take_address(text, flags, &out->address);
    if (rc == RC_OK)
        return RC_OK;
    out->address = (struct address){ .text = str_n(text.p, 0) };
    out->bad_address = true;
    return rc;
}

/* Offset of the '>' that ends the path: not one in quotes or brackets. */
static size_t path_bytes(str_t s)
{
    char closing = '>';

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == closing && closing == '>')
            return i;
        if (c == closing)
            closing = '>';
        else if (closing == '"' && c == '\\')
            i++;
        else if (closing == '>' && (c == '"' || c == '['))
            closing = c == '"' ? '"' : ']';
    }
    return SIZE_MAX;
}

enum rc smtp_command_path_parse(str_t rest, const char *keyword, unsigned flags,
                                struct smtp_command_path *out)
{
    size_t end;
    enum rc rc;

    *out = (struct smtp_command_path){ .param_count = 0 };
    if (!str_starts_nocase(rest, str_of(keyword)))
        return RC_INVALID;
    rest = skip_spaces(str_skip(rest, strlen(keyword)));
    if (rest.n == 0 || rest.p[0] != ':')
        return RC_INVALID;
    /* A blank after the colon is wrong and common. */
    rest = skip_spaces(str_skip(rest, 1));
    end = path_bytes(rest);
    if (rest.n == 0 || rest.p[0] != '<' || end == SIZE_MAX)
        return RC_INVALID;
    rc = take_path(str_n(rest.p + 1, end - 1), flags, out);
    if (rc != RC_OK)
        return rc;
    rest = str_skip(rest, end + 1);
    if (rest.n > 0 && rest.p[0] != ' ')
        return RC_INVALID;
    return take_params(skip_spaces(rest), out);
}

enum rc smtp_command_hello_parse(str_t rest, str_t *host)
{
    *host = rest;
    return address_is_domain(rest, ADDRESS_UTF8) || address_is_ip_literal(rest)
               ? RC_OK
               : RC_INVALID;
}

/* RFC 4422 3.1 */
static bool is_mechanism(str_t s)
{
    if (s.n == 0 || s.n > MAX_MECHANISM_BYTES)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_letter(s.p[i]) && !str_is_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    }
    return true;
}

enum rc smtp_command_auth_parse(str_t rest, struct smtp_command_auth *out)
{
    *out = (struct smtp_command_auth){ .mechanism = take_word(&rest) };
    if (!is_mechanism(out->mechanism) || str_find_char(rest, ' ') != SIZE_MAX)
        return RC_INVALID;
    out->has_initial = rest.n > 0;
    out->initial = str_eq(rest, S("=")) ? str_n(rest.p, 0) : rest;
    return RC_OK;
}
