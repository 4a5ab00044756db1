/* smtp_command_fuzz.c - what is accepted obeys the grammar. */
#include "smtp/smtp_command.h"

#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse_path(str_t rest, const char *keyword, unsigned flags)
{
    struct smtp_command_path p;

    if (smtp_command_path_parse(rest, keyword, flags, &p) != RC_OK)
        return false;
    CHECK(p.is_null + p.is_postmaster + (p.address.text.n > 0) == 1);
    CHECK(p.param_count <= SMTP_COMMAND_MAX_PARAMS && !p.bad_address);
    for (size_t i = 0; i < p.param_count; i++)
        CHECK(p.params[i].name.n > 0 &&
              p.params[i].has_value == (p.params[i].value.n > 0));
    return true;
}

static void parse_paths(str_t rest, const char *keyword)
{
    bool strict = parse_path(rest, keyword, ADDRESS_UTF8);

    CHECK(parse_path(rest, keyword, ADDRESS_UTF8 | ADDRESS_FULL) || !strict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str_t line = str_n((const char *)data, size), text;
    struct smtp_command_auth auth;
    struct smtp_command c;

    if (smtp_command_split(line, true, &c) == RC_OK) {
        CHECK(c.verb.n > 0 && c.verb.n <= 16);
        parse_paths(c.rest, "FROM");
        parse_paths(c.rest, "TO");
        if (smtp_command_hello_parse(c.rest, &text) == RC_OK)
            CHECK(text.n > 0 && str_find_char(text, ' ') == SIZE_MAX);
        if (smtp_command_auth_parse(c.rest, &auth) == RC_OK)
            CHECK(auth.mechanism.n > 0);
    }
    return 0;
}
