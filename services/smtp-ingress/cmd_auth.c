/* cmd_auth.c - AUTH PLAIN and AUTH LOGIN.  RFC 4954, RFC 4616.
 *
 * Runs under TLS only (its row).  The password is compared in the login pool, so that
 * hashing never delays mail.  A failure is answered later than a success, without a
 * thread that waits: see session.c.
 */
#include "cmd_auth.h"

#include "account/login.h"
#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingress.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_reply.h"
#include "smtp_commands.h"
#include "store/db.h"

#include <inttypes.h>
#include <string.h>

struct credentials {
    struct arena *arena;
    str_t user, password;
};

static enum cmd_result fail(struct smtp_cmd *cmd, int code, const char *enhanced,
                            const char *text)
{
    cmd_auth_forget(cmd->session);
    smtp_reply_put(cmd->out, code, enhanced, str_of(text));
    return CMD_FAIL;
}

static enum cmd_result ask(struct smtp_cmd *cmd, enum session_sasl next, const char *text)
{
    cmd->session->sasl = next;
    smtp_reply_line(cmd->out, 334, true, NULL, str_of(text));
    return CMD_LATER;
}

static void wipe(str_t s)
{
    if (s.n > 0)
        crypto_wipe((char *)(uintptr_t)s.p, s.n);
}

static enum cmd_result check_login(struct session *s, struct worker *w, struct buf *out)
{
    struct credentials *c = s->credentials;
    struct login_request request = { .purpose = LOGIN_FOR_SUBMISSION,
                                     .user = c->user,
                                     .password = c->password,
                                     .network = s->client_key };
    struct login_account account;
    enum rc rc = login_check(s->ingress->login, w->context, w->arena, &request, &account);

    if (rc == RC_OK) {
        s->account = account.id;
        s->account_address = mem_cstr(account.address.p, account.address.n);
        log_debug("smtp.login", "account=%" PRId64, account.id);
        smtp_reply_put(out, 235, "2.7.0", S("Authentication successful"));
        return CMD_DONE;
    }
    if (rc != RC_DENIED && rc != RC_LIMIT) {
        log_warn("smtp.login_not_judged", "rc=%s sqlstate=%s", rc_name(rc),
                 db_sqlstate(w->context));
        smtp_reply_put(out, 454, "4.7.0", S("Temporary authentication failure"));
        return CMD_FAIL;
    }
    s->auth_failures++;
    log_info("smtp.login_failed", "failures=%u rc=%s", s->auth_failures, rc_name(rc));
    if (rc == RC_LIMIT) {
        smtp_reply_put(out, 454, "4.7.0", S("Too many attempts, try again later"));
        return CMD_FAIL;
    }
    if (account.is_closed)
        smtp_reply_put(out, 535, "5.7.1", S("This server takes no new profiles"));
    else
        smtp_reply_put(out, 535, "5.7.8", S("Error: authentication failed"));
    return CMD_FAIL;
}

static enum cmd_result submit(struct smtp_cmd *cmd)
{
    cmd->session->sasl = SASL_NONE;
    return session_job(cmd, cmd->session->ingress->logins, check_login);
}

/* authzid NUL user NUL password; to act for somebody else is not possible here. */
static enum cmd_result take_plain(struct smtp_cmd *cmd, str_t decoded)
{
    struct credentials *c = cmd->session->credentials;
    str_t authzid;
    size_t first = str_find_char(decoded, '\0');
    size_t second =
        first == SIZE_MAX ? SIZE_MAX : str_find_char(str_skip(decoded, first + 1), '\0');

    if (second == SIZE_MAX)
        return fail(cmd, 501, "5.5.2", "Malformed authentication data");
    authzid = str_head(decoded, first);
    c->user = str_n(decoded.p + first + 1, second);
    c->password = str_skip(decoded, first + second + 2);
    if (authzid.n > 0 && !str_eq_nocase(authzid, c->user))
        return fail(cmd, 535, "5.7.8", "Error: authentication failed");
    return submit(cmd);
}

/* One answer of the client, base64. */
static enum cmd_result take(struct smtp_cmd *cmd, enum session_sasl step, str_t text)
{
    struct credentials *c = cmd->session->credentials;
    str_t decoded;

    if (crypto_base64_decode(c->arena, text, &decoded) != RC_OK)
        return fail(cmd, 501, "5.5.2", "Malformed authentication data");
    switch (step) {
    case SASL_PLAIN:
        return take_plain(cmd, decoded);
    case SASL_LOGIN_NAME:
        c->user = decoded;
        return ask(cmd, SASL_LOGIN_PASSWORD, "UGFzc3dvcmQ6");
    case SASL_LOGIN_PASSWORD:
        c->password = decoded;
        return submit(cmd);
    case SASL_NONE:
        break;
    }
    return fail(cmd, 503, "5.5.1", "No authentication in progress");
}

enum cmd_result cmd_auth(struct smtp_cmd *cmd)
{
    struct session *s = cmd->session;
    struct smtp_command_auth auth;
    struct arena *arena;
    enum session_sasl step = SASL_NONE;

    if (s->account != 0)
        return fail(cmd, 503, "5.5.1", "Already authenticated");
    if (smtp_command_auth_parse(cmd->rest, &auth) != RC_OK)
        return fail(cmd, 501, "5.5.4", "Syntax: AUTH mechanism");
    if (str_eq_nocase(auth.mechanism, S("PLAIN")))
        step = SASL_PLAIN;
    else if (str_eq_nocase(auth.mechanism, S("LOGIN")))
        step = SASL_LOGIN_NAME;
    else
        return fail(cmd, 504, "5.5.4", "Unrecognized authentication mechanism");
    arena = arena_new();
    s->credentials = arena_alloc(arena, sizeof(*s->credentials));
    s->credentials->arena = arena;
    if (auth.has_initial)
        return take(cmd, step, auth.initial);
    return ask(cmd, step, step == SASL_PLAIN ? "" : "VXNlcm5hbWU6");
}

enum cmd_result cmd_auth_line(struct smtp_cmd *cmd)
{
    enum session_sasl step = cmd->session->sasl;

    cmd->session->sasl = SASL_NONE;
    if (str_eq(cmd->rest, S("*")))
        return fail(cmd, 501, "5.7.0", "Authentication aborted");
    return take(cmd, step, cmd->rest);
}

void cmd_auth_forget(struct session *s)
{
    struct arena *arena;

    s->sasl = SASL_NONE;
    if (s->credentials == NULL)
        return;
    wipe(s->credentials->user);
    wipe(s->credentials->password);
    arena = s->credentials->arena;
    s->credentials = NULL;
    arena_free(&arena);
}
