/* smtp_command.h - the grammar of SMTP's command lines, for SMTP and LMTP.
 *
 * Pure.  Results borrow from the line.  What a parameter means is the service's table's
 * business.  RFC 5321 4.1, RFC 4954, RFC 6531.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "mail/address.h"

#include <stdbool.h>
#include <stddef.h>

enum { SMTP_COMMAND_MAX_PARAMS = 16 };

struct smtp_command {
    str_t verb; /* as written, 1 to 16 letters; compare without case */
    str_t rest; /* after the blanks, trimmed at the end */
};

/* RC_INVALID: a control character, a byte beyond ASCII (unless utf8), or no verb. */
enum rc smtp_command_split(str_t line, bool utf8, struct smtp_command *out) RC_CHECKED;

struct smtp_command_param {
    str_t name, value; /* value empty if there is none */
    bool has_value;
};

struct smtp_command_path {
    struct address address; /* empty for <> and <postmaster> */
    bool is_null;           /* "<>" */
    bool is_postmaster;     /* "<postmaster>" without a domain */
    bool bad_address; /* with RC_INVALID or RC_LIMIT: the address is what is wrong */
    struct smtp_command_param params[SMTP_COMMAND_MAX_PARAMS];
    size_t param_count;
};

/* rest of MAIL or RCPT; keyword "FROM" or "TO"; flags as for address_parse.
 * RC_INVALID: 501; RC_LIMIT: too long or too many parameters.  A source route is refused,
 * with ADDRESS_FULL it is left out of the address.
 * The caller judges whether <> or <postmaster> may stand here. */
enum rc smtp_command_path_parse(str_t rest, const char *keyword, unsigned flags,
                                struct smtp_command_path *out) RC_CHECKED;

/* EHLO, HELO, LHLO: a host name or an address literal; never resolved by anybody. */
enum rc smtp_command_hello_parse(str_t rest, str_t *host) RC_CHECKED;

struct smtp_command_auth {
    str_t mechanism;
    str_t initial; /* base64 as sent; "=" (an empty one) is given as empty */
    bool has_initial;
};
enum rc smtp_command_auth_parse(str_t rest, struct smtp_command_auth *out) RC_CHECKED;
