/* log.c - lines are composed in one buffer and written by one write(2), so that lines
 * of several threads and processes never mix. */
#include "base/log.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum {
    FIELDS_BYTES = 1024,
    CONTEXT_BYTES = 128,
    /* JSON has a backslash before each quote; pipes pass up to this on whole. */
    LINE_BYTES = 4096,
    CLOSING_BYTES = 2, /* a quote and NUL */
};

static const char *service_name = "postbus";
static enum log_level max_level = LOG_LEVEL_INFO;
static bool as_json;
static _Thread_local char context[CONTEXT_BYTES];

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_init(const char *service, enum log_level level, bool json)
{
    service_name = service;
    max_level = level;
    as_json = json;
}

bool log_enabled(enum log_level level)
{
    return level <= max_level;
}

/* For a JSON string, with room for twice as much: of what JSON forbids, only quotes and
 * backslashes are left. */
static void put_json_text(char *to, const char *from)
{
    for (; *from != '\0'; from++) {
        if (*from == '"' || *from == '\\')
            *to++ = '\\';
        *to++ = *from;
    }
    *to = '\0';
}

/* ---- fields ---- */

struct text {
    char *p; /* always ends in NUL */
    size_t n, room;
    bool full;
};

/* All of it, or nothing any more. */
static void put(struct text *t, const char *p, size_t n)
{
    t->full = t->full || t->n + n + CLOSING_BYTES > t->room;
    if (t->full)
        return;
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = '\0';
}

static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* Hostile text may reach a field, through a remote server's reply: no control character,
 * of ASCII or of Latin-1, may forge a second line or speak to a terminal, nothing may
 * keep a line from being read as UTF-8, and no quote may end the value.  Length of the
 * character that is fine as it is; 0: its first byte is to be escaped. */
static size_t plain_bytes(str_t rest)
{
    size_t n = str_utf8_bytes(rest);
    unsigned char c = (unsigned char)rest.p[0];

    if (c < 0x20 || c == 0x7f || escape_of(c) != NULL ||
        (c == 0xc2 && n == 2 && (unsigned char)rest.p[1] < 0xa0))
        return 0;
    return n;
}

static void put_escaped(struct text *t, str_t value)
{
    char hex[8];
    size_t n;

    for (; value.n > 0 && !t->full; value = str_skip(value, n > 0 ? n : 1)) {
        const char *escape = escape_of((unsigned char)value.p[0]);

        n = plain_bytes(value);
        if (n == 0 && escape == NULL) {
            snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)value.p[0]);
            escape = hex;
        }
        put(t, n > 0 ? value.p : escape, n > 0 ? n : strlen(escape));
    }
}

static bool needs_quotes(str_t value)
{
    size_t n = 1;

    if (value.n == 0)
        return true;
    for (; value.n > 0 && n > 0 && value.p[0] != ' '; value = str_skip(value, n))
        n = plain_bytes(value);
    return value.n > 0 || n == 0;
}

/* quoted: the format has the quotes. */
static void put_value(struct text *t, str_t value, bool quoted)
{
    bool add = !quoted && needs_quotes(value);

    if (add)
        put(t, "\"", 1);
    put_escaped(t, value);
    if (add)
        put(t, "\"", 1);
}

static void put_number(struct text *t, uint64_t v, unsigned base, bool negative,
                       size_t width)
{
    char digits[72];
    size_t at = sizeof(digits);

    do
        digits[--at] = "0123456789abcdef"[v % base];
    while ((v /= base) > 0);
    while (sizeof(digits) - at < width && at > 1)
        digits[--at] = '0';
    if (negative)
        digits[--at] = '-';
    put(t, digits + at, sizeof(digits) - at);
}

/* One conversion of a format, and the arguments that are left. */
struct conversion {
    size_t width;
    int precision; /* -1: none */
    char length;   /* 'l', 'q' (ll), 'z', 'j' or 0 */
    char letter;
    va_list *args;
};

static int64_t take_int(const struct conversion *c)
{
    switch (c->length) {
    case 'l':
        return va_arg(*c->args, long);
    case 'q':
        return va_arg(*c->args, long long);
    case 'j':
        return va_arg(*c->args, intmax_t);
    case 'z':
        return va_arg(*c->args, ssize_t);
    default:
        return va_arg(*c->args, int);
    }
}

static uint64_t take_unsigned(const struct conversion *c)
{
    switch (c->length) {
    case 'l':
        return va_arg(*c->args, unsigned long);
    case 'q':
        return va_arg(*c->args, unsigned long long);
    case 'j':
        return va_arg(*c->args, uintmax_t);
    case 'z':
        return va_arg(*c->args, size_t);
    default:
        return va_arg(*c->args, unsigned);
    }
}

static str_t take_string(const struct conversion *c)
{
    const char *p = va_arg(*c->args, const char *);

    if (p == NULL)
        return S("(null)");
    return c->precision < 0 ? str_of(p) : str_n(p, strnlen(p, (size_t)c->precision));
}

/* "016lx" gives width 16, length 'l', letter 'x'; returns what is behind it. */
static const char *read_conversion(const char *f, struct conversion *c)
{
    c->width = 0;
    c->precision = -1;
    c->length = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        c->width = c->width * 10 + (size_t)(*f - '0');
    if (f[0] == '.' && f[1] == '*') {
        c->precision = va_arg(*c->args, int);
        f += 2;
    }
    for (; *f == 'l' || *f == 'z' || *f == 'j'; f++)
        c->length = c->length == 'l' ? 'q' : *f;
    c->letter = *f;
    return *f == '\0' ? f : f + 1;
}

/* False: nothing that is known here, and so nobody knows the arguments behind it. */
static bool put_conversion(struct text *t, const struct conversion *c, bool quoted)
{
    int64_t v;
    char one;

    switch (c->letter) {
    case 's':
        put_value(t, take_string(c), quoted);
        return true;
    case 'c':
        one = (char)va_arg(*c->args, int);
        put_value(t, str_n(&one, 1), quoted);
        return true;
    case 'd':
        v = take_int(c);
        put_number(t, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0, c->width);
        return true;
    case 'u':
        put_number(t, take_unsigned(c), 10, false, c->width);
        return true;
    case 'x':
        put_number(t, take_unsigned(c), 16, false, c->width);
        return true;
    default:
        return false;
    }
}

/* Does a quote have no end? */
static bool is_open(str_t text)
{
    bool open = false;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            open = !open;
    }
    return open;
}

/* Not printf's: what is written must be read back, so a string is not what its bytes are.
 * The format's own text is ours and good. */
static void put_fields(struct text *t, const char *f, va_list *args)
{
    struct conversion c = { .args = args };
    bool quoted;

    for (; *f != '\0' && !t->full;) {
        size_t n = strcspn(f, "%");

        put(t, f, n);
        f += n;
        if (*f == '\0')
            break;
        quoted = n > 0 && f[-1] == '"';
        f = read_conversion(f + 1, &c);
        if (!put_conversion(t, &c, quoted && *f == '"')) {
            put(t, "?", 1);
            break;
        }
    }
    /* What was cut within quotes is closed. */
    if (t->full && is_open(str_n(t->p, t->n))) {
        t->p[t->n++] = '"';
        t->p[t->n] = '\0';
    }
}

static int format_json(char *line, const char *when, const char *level, const char *event,
                       const char *fields)
{
    char text[2 * FIELDS_BYTES], ctx[2 * CONTEXT_BYTES];

    put_json_text(text, fields);
    put_json_text(ctx, context);
    return snprintf(line, LINE_BYTES,
                    "{\"ts\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"event\":\"%s\","
                    "\"context\":\"%s\",\"fields\":\"%s\"}\n",
                    when, level, service_name, event, ctx, text);
}

void log_context(const char *format, ...)
{
    struct text t = { .p = context, .room = sizeof(context) };
    va_list args;

    context[0] = '\0';
    va_start(args, format);
    put_fields(&t, format, &args);
    va_end(args);
}

void log_context_clear(void)
{
    context[0] = '\0';
}

void log_line(enum log_level level, const char *event, const char *fields, ...)
{
    char line[LINE_BYTES], text[FIELDS_BYTES] = "", when[40];
    struct text t = { .p = text, .room = sizeof(text) };
    struct timespec now;
    struct tm utc;
    va_list args;
    size_t at;
    int n;

    if (!log_enabled(level))
        return;
    va_start(args, fields);
    put_fields(&t, fields, &args);
    va_end(args);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    at = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + at, sizeof(when) - at, ".%03ldZ", now.tv_nsec / 1000000);
    if (as_json)
        n = format_json(line, when, level_names[level], event, text);
    else
        n = snprintf(line, sizeof(line), "%s %-5s %s %s%s%s%s%s\n", when,
                     level_names[level], service_name, event, context[0] ? " " : "",
                     context, text[0] ? " " : "", text);
    if (n >= (int)sizeof(line)) {
        n = sizeof(line) - 1;
        line[n - 1] = '\n';
    }
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nowhere left to say so */
}

_Noreturn void log_check_failed(const char *cond, const char *file, int line)
{
    log_line(LOG_LEVEL_ERROR, "bug.check_failed", "condition=\"%s\" file=%s line=%d",
             cond, file, line);
    abort();
}
