/* imap_reply.c - every protocol byte that is sent. */
#include "imap_reply.h"

#include "imap_name.h"

#include "base/arena.h"
#include "store/store_flags.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_MAX = 1000, LINE_MAX_BYTES = 4096 };

enum show { SHOW_ALWAYS, SHOW_CLEAR, SHOW_LOGIN, SHOW_LOGGED_IN };

static const struct {
    const char *name;
    enum show show;
} extras[] = {
#define CAPABILITY(name, show) { name, show },
#include "capabilities.def"
#undef CAPABILITY
};

static void tagged(struct imap_cmd *cmd, const char *word, const char *code,
                   const char *text)
{
    buf_put(cmd->out, cmd->tag);
    buf_printf(cmd->out, " %s ", word);
    if (code[0] != '\0')
        buf_printf(cmd->out, "[%s] ", code);
    buf_puts(cmd->out, text);
    buf_puts(cmd->out, "\r\n");
}

enum cmd_result imap_reply_ok(struct imap_cmd *cmd, const char *text)
{
    return imap_reply_ok_code(cmd, "", text);
}

enum cmd_result imap_reply_ok_code(struct imap_cmd *cmd, const char *code,
                                   const char *text)
{
    tagged(cmd, "OK", code, text);
    cmd->session->bad_count = 0;
    return CMD_DONE;
}

enum cmd_result imap_reply_no(struct imap_cmd *cmd, const char *code, const char *text)
{
    tagged(cmd, "NO", code, text);
    return CMD_DONE;
}

enum cmd_result imap_reply_bad(struct imap_cmd *cmd, const char *text)
{
    tagged(cmd, "BAD", "", text);
    if (cmd->session->bad_count < UINT8_MAX)
        cmd->session->bad_count++;
    return CMD_DONE;
}

enum cmd_result imap_reply_args(struct imap_cmd *cmd, const char *usage)
{
    const struct imap_parser *in = &cmd->args;
    const char *wrong = in->wrong;

    if (in->code != NULL)
        return imap_reply_no(cmd, in->code, wrong);
    if (wrong == NULL && str_trim(str_n(in->p, (size_t)(in->end - in->p))).n == 0)
        wrong = "it ends too early";
    if (wrong == NULL)
        wrong = arena_printf(cmd->arena, "not understood from byte %zu on",
                             (size_t)(in->p - in->start) + 1);
    return imap_reply_bad(cmd, arena_printf(cmd->arena, "%s: %s", usage, wrong));
}

enum cmd_result imap_reply_rc(struct imap_cmd *cmd, enum rc rc)
{
    const struct rc_info *info = rc_info(rc);

    cmd->failed = rc;
    tagged(cmd, rc == RC_OK ? "OK" : "NO", info->imap_code, info->imap_text);
    return CMD_DONE;
}

enum cmd_result imap_reply_undone(struct imap_cmd *cmd)
{
    imap_reply_bye(cmd->out,
                   "Removed messages came back after a crash, please reconnect");
    return CMD_CLOSE;
}

__attribute__((format(printf, 2, 0))) static void
text_line(struct buf *out, const char *format, va_list list)
{
    char line[LINE_MAX_BYTES];
    int n = vsnprintf(line, sizeof line, format, list);

    if (n > 0)
        buf_append(out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void imap_reply_untagged(struct buf *out, const char *format, ...)
{
    va_list list;

    buf_puts(out, "* ");
    va_start(list, format);
    text_line(out, format, list);
    va_end(list);
    buf_puts(out, "\r\n");
}

void imap_reply_continue(struct buf *out, const char *text)
{
    buf_printf(out, "+ %s\r\n", text);
}

void imap_reply_bye(struct buf *out, const char *text)
{
    buf_printf(out, "* BYE %s\r\n", text);
}

void imap_reply_text(struct buf *out, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    text_line(out, format, list);
    va_end(list);
}

static bool is_quotable(str_t s)
{
    if (s.n > QUOTED_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        /* Clients in the field take an 8-bit byte in quotes for the end of the world. */
        if (c < 0x20 || c >= 0x7f)
            return false;
    }
    return true;
}

void imap_reply_string(struct buf *out, str_t s)
{
    if (!is_quotable(s)) {
        imap_reply_literal(out, s);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, s.p[i]);
    }
    buf_putc(out, '"');
}

void imap_reply_literal(struct buf *out, str_t s)
{
    imap_reply_literal_head(out, s.n);
    buf_put(out, s);
}

void imap_reply_literal_head(struct buf *out, uint64_t bytes)
{
    buf_printf(out, "{%" PRIu64 "}\r\n", bytes);
}

void imap_reply_bytes(struct buf *out, str_t s)
{
    buf_put(out, s);
}

void imap_reply_mailbox(struct buf *out, struct arena *a, str_t utf8)
{
    imap_reply_string(out, imap_name_encode(a, utf8));
}

void imap_reply_flags(struct buf *out, uint32_t bits)
{
    const char *separator = "";
    const char *name;
    uint32_t bit;

    buf_putc(out, '(');
    for (size_t i = 0; (name = store_flags_name(i, &bit)) != NULL; i++) {
        if ((bits & bit) == 0)
            continue;
        buf_puts(out, separator);
        buf_puts(out, name);
        separator = " ";
    }
    buf_putc(out, ')');
}

void imap_reply_end(struct buf *out)
{
    buf_puts(out, "\r\n");
}

void imap_reply_permanent_flags(struct buf *out, uint32_t bits)
{
    buf_puts(out, "* OK [PERMANENTFLAGS ");
    imap_reply_flags(out, bits);
    buf_puts(out, "] Flags permitted.\r\n");
}

void imap_reply_fetch_flags(struct buf *out, size_t number, uint32_t uid, uint32_t flags)
{
    buf_printf(out, "* %zu FETCH (UID %" PRIu32 " FLAGS ", number, uid);
    imap_reply_flags(out, flags);
    buf_puts(out, ")\r\n");
}

static bool is_shown(const struct imap_session *s, enum show show)
{
    bool in = (s->state & ST_LOGGED_IN) != 0;

    switch (show) {
    case SHOW_ALWAYS:
        return true;
    case SHOW_CLEAR:
        return !in && !s->tls;
    case SHOW_LOGIN:
        return !in && s->tls;
    case SHOW_LOGGED_IN:
        return in;
    }
    return false;
}

const char *imap_reply_capabilities(struct imap_cmd *cmd)
{
    struct buf *list = arena_buf(cmd->arena, LINE_MAX_BYTES);
    bool in = (cmd->session->state & ST_LOGGED_IN) != 0;
    size_t count;
    const struct imap_command *rows = imap_command_rows(&count);

    for (size_t i = 0; i < ARRAY_LEN(extras); i++)
        if (is_shown(cmd->session, extras[i].show))
            buf_printf(list, "%s%s", list->n > 0 ? " " : "", extras[i].name);
    for (size_t i = 0; i < count; i++)
        if (rows[i].capability != NULL && (in || (rows[i].flags & ROW_EARLY)))
            buf_printf(list, " %s", rows[i].capability);
    return arena_cstr(cmd->arena, buf_str(list));
}

void imap_reply_set(struct buf *out, const uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t last = i;

        while (last + 1 < n && numbers[last + 1] == numbers[last] + 1)
            last++;
        buf_printf(out, "%s%" PRIu32, i > 0 ? "," : "", numbers[i]);
        if (last > i)
            buf_printf(out, ":%" PRIu32, numbers[last]);
        i = last + 1;
    }
}
