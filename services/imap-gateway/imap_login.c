/* imap_login.c - what LOGIN and AUTHENTICATE have in common. */
#include "imap_login.h"

#include "gateway.h"
#include "imap_reply.h"

#include "account/login.h"
#include "base/arena.h"
#include "base/log.h"

#include <inttypes.h>

/* Base64 of "Username:" and "Password:", which clients of LOGIN expect to see. */
static const char prompt_user[] = "VXNlcm5hbWU6";
static const char prompt_password[] = "UGFzc3dvcmQ6";

enum cmd_result imap_login_try(struct imap_cmd *cmd, str_t user, str_t password)
{
    struct login_request request = { .purpose = LOGIN_FOR_MAILBOX,
                                     .user = user,
                                     .password = password,
                                     .network = cmd->session->client_key };
    struct login_account account;
    enum rc rc =
        login_check(cmd->gateway->login, cmd->db, cmd->arena, &request, &account);

    if (rc == RC_LIMIT) {
        imap_reply_no(cmd, "UNAVAILABLE", "Too many attempts, try again later.");
        return CMD_REFUSED;
    }
    if (rc == RC_DENIED && account.is_closed) {
        imap_reply_no(cmd, "NOPERM", "This server takes no new profiles.");
        return CMD_REFUSED;
    }
    if (rc == RC_DENIED) {
        imap_reply_no(cmd, "AUTHENTICATIONFAILED", "Authentication failed.");
        return CMD_REFUSED;
    }
    if (rc != RC_OK)
        return imap_reply_rc(cmd, rc);
    cmd->session->account = account.id;
    cmd->session->state = ST_AUTHENTICATED;
    /* Who logs in when is nobody's business (/privacy): debug. */
    log_debug("imap.login", "account=%" PRId64 " created=%d", account.id,
              account.created);
    return imap_reply_ok_code(
        cmd, arena_printf(cmd->arena, "CAPABILITY %s", imap_reply_capabilities(cmd)),
        "Logged in");
}

const char *imap_login_prompt(str_t command)
{
    str_t mechanism, word = { 0 };
    int words = 0;
    str_t rest = str_trim(command);

    /* tag, AUTHENTICATE, mechanism, then what the client has said so far */
    for (int i = 0; i < 3; i++)
        if (!str_split(&rest, ' ', &word))
            return NULL;
    mechanism = word;
    while (str_split(&rest, ' ', &word))
        words++;
    if (str_eq_nocase(mechanism, S("PLAIN")))
        return words == 0 ? "" : NULL;
    if (!str_eq_nocase(mechanism, S("LOGIN")))
        return NULL;
    return words == 0 ? prompt_user : words == 1 ? prompt_password : NULL;
}
