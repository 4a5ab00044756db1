/* dialogue.c - what is said on a connection, for the log. */
#include "dialogue.h"

#include "base/buf.h"
#include "base/log.h"
#include "ingress.h"
#include "smtp/smtp_command.h"
#include "smtp_commands.h"
#include "svc/options.h"

enum { SHOWN_BYTES = 2 * SMTP_FRAMER_MAX_BYTES };

/* Commands whose arguments may be shown, and how these begin. */
static const struct {
    str_t verb;
    const char *begin;
} shown[] = {
    { STR("EHLO"), "" }, { STR("HELO"), "" },      { STR("LHLO"), "" },
    { STR("BDAT"), "" }, { STR("MAIL"), "FROM:" }, { STR("RCPT"), "TO:" },
};

/* RFC 3030 2: a size, and maybe LAST. */
static bool is_chunk(str_t rest)
{
    str_t size;

    if (!str_split(&rest, ' ', &size) || size.n > 20)
        return false;
    for (size_t i = 0; i < size.n; i++)
        if (!str_is_digit(size.p[i]))
            return false;
    rest = str_trim(rest);
    return rest.n == 0 || str_eq_nocase(rest, S("LAST"));
}

static bool is_shown(const struct smtp_command *c)
{
    str_t host;

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        if (!str_eq_nocase(c->verb, shown[i].verb))
            continue;
        if (str_eq(shown[i].verb, S("BDAT")))
            return is_chunk(c->rest);
        return shown[i].begin[0] != '\0'
                   ? str_starts_nocase(c->rest, str_of(shown[i].begin))
                   : smtp_command_hello_parse(c->rest, &host) == RC_OK;
    }
    return false;
}

/* The mechanism, if it is one: nothing that could be the password in its place. */
static void put_auth(struct buf *out, str_t rest)
{
    struct smtp_command_auth auth;
    bool known = smtp_command_auth_parse(rest, &auth) == RC_OK &&
                 (str_eq_nocase(auth.mechanism, S("PLAIN")) ||
                  str_eq_nocase(auth.mechanism, S("LOGIN")));

    if (known)
        buf_printf(out, " %.*s", STR_ARG(auth.mechanism));
    if (!known || auth.has_initial)
        buf_puts(out, " ***");
}

void dialogue_mask(struct buf *out, str_t line, bool in_sasl, bool muted)
{
    struct smtp_command c;

    if (in_sasl) {
        buf_puts(out, "***");
        return;
    }
    if (smtp_command_split(line, true, &c) != RC_OK ||
        smtp_commands_find(c.verb) == NULL) {
        buf_printf(out, "(%zu octets that are no command)", line.n);
        return;
    }
    buf_put(out, c.verb);
    if (c.rest.n == 0)
        return;
    if (str_eq_nocase(c.verb, S("AUTH")) && !muted) {
        put_auth(out, c.rest);
        return;
    }
    buf_putc(out, ' ');
    if (muted || !is_shown(&c)) {
        buf_puts(out, "***");
        return;
    }
    for (size_t i = 0; i < c.rest.n; i++) /* a quote would end the value in the log */
        buf_putc(out, c.rest.p[i] == '"' ? '\'' : c.rest.p[i]);
}

static bool is_on(const struct session *s)
{
    return s->ingress->options->io_debug;
}

void dialogue_heard(struct session *s, str_t line)
{
    struct buf text;

    if (!is_on(s))
        return;
    buf_init(&text, SHOWN_BYTES);
    dialogue_mask(&text, line, s->sasl != SASL_NONE, s->muted);
    log_info("smtp.io", "from=client line=\"%.*s\"", STR_ARG(buf_str(&text)));
    buf_fini(&text);
}

void dialogue_carried_out(struct session *s, str_t line, enum cmd_result result)
{
    struct smtp_command c;

    if (is_on(s) && result == CMD_FAIL && smtp_command_split(line, true, &c) == RC_OK &&
        str_eq_nocase(c.verb, S("DATA")))
        s->muted = true;
}

void dialogue_said(const struct session *s, const struct buf *out, size_t mark)
{
    str_t rest, line;

    if (!is_on(s) || out->n <= mark)
        return;
    rest = str_n(out->p + mark, out->n - mark);
    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (s->muted) /* it may repeat what it refuses */
            log_info("smtp.io", "from=server line=\"%.*s ***\"",
                     STR_ARG(str_head(line, 3)));
        else
            log_info("smtp.io", "from=server line=\"%.*s\"", STR_ARG(line));
    }
}
