/* cmd_authenticate.c - AUTHENTICATE PLAIN and LOGIN, whole (see imap_login.h).
 * RFC 9051 6.2.2, RFC 4616; LOGIN has no RFC. */
#include "imap_login.h"
#include "imap_reply.h"

#include "base/arena.h"
#include "base/crypto.h"

/* authzid NUL authcid NUL password; acting for somebody else is not offered. */
static enum cmd_result try_plain(struct imap_cmd *cmd, str_t message)
{
    str_t authzid, user;

    if (!str_split(&message, '\0', &authzid) || !str_split(&message, '\0', &user))
        return imap_reply_bad(cmd, "malformed PLAIN message");
    if (authzid.n > 0 && !str_eq_nocase(authzid, user)) {
        imap_reply_no(cmd, "AUTHORIZATIONFAILED", "Authentication failed.");
        return CMD_REFUSED;
    }
    return imap_login_try(cmd, user, message);
}

static bool decoded_word(struct imap_cmd *cmd, str_t *rest, str_t *out)
{
    str_t word;

    if (!str_split(rest, ' ', &word))
        return false;
    if (str_eq(word, S("=")))
        word = S("");
    return crypto_base64_decode(cmd->arena, word, out) == RC_OK;
}

enum cmd_result cmd_authenticate(struct imap_cmd *cmd)
{
    struct imap_parser *in = &cmd->args;
    str_t mechanism, rest, first, second;

    if (!imap_parser_space(in) || !imap_parser_atom(in, &mechanism))
        return imap_reply_args(cmd, "AUTHENTICATE needs a mechanism");
    imap_parser_skip_spaces(in);
    rest = str_trim(str_n(in->p, (size_t)(in->end - in->p)));
    if (!str_eq_nocase(mechanism, S("PLAIN")) && !str_eq_nocase(mechanism, S("LOGIN")))
        return imap_reply_no(cmd, "CANNOT", "unsupported mechanism");
    if (!decoded_word(cmd, &rest, &first))
        return imap_reply_bad(cmd, "authentication cancelled or malformed");
    if (str_eq_nocase(mechanism, S("PLAIN")))
        return try_plain(cmd, first);
    if (!decoded_word(cmd, &rest, &second))
        return imap_reply_bad(cmd, "authentication cancelled or malformed");
    return imap_login_try(cmd, first, second);
}
