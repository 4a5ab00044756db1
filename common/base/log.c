/* log.c - lines are composed in one buffer and written by one write(2), so that lines
 * of several threads and processes never mix. */
#include "base/log.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, CONTEXT_BYTES = 128 };

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

void log_context(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);
}

void log_context_clear(void)
{
    context[0] = '\0';
}

/* Text for a JSON string: quotes, backslashes and controls are escaped; cut between two
 * characters when there is no room. */
static size_t put_json_text(char *to, size_t room, str_t from)
{
    size_t n = 0, bytes;

    for (; from.n > 0 && n + 7 < room; from = str_skip(from, bytes)) {
        unsigned char c = (unsigned char)from.p[0];

        bytes = str_utf8_bytes(from);
        if (bytes == 0) {
            to[n++] = '?';
            bytes = 1;
        } else if (c == '"' || c == '\\') {
            to[n++] = '\\';
            to[n++] = (char)c;
        } else if (c < 0x20) {
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", c);
        } else {
            memcpy(to + n, from.p, bytes);
            n += bytes;
        }
    }
    to[n] = '\0';
    return n;
}

/* Hostile text may reach a field through a remote server's reply: no control character,
 * of ASCII or of Latin-1, may forge a second line or speak to a terminal, and nothing may
 * keep a line from being read as UTF-8. */
static void make_harmless(char *p)
{
    str_t rest = str_of(p);

    while (rest.n > 0) {
        size_t n = str_utf8_bytes(rest), at = (size_t)(rest.p - p);
        unsigned char c = (unsigned char)rest.p[0];

        if (n == 0)
            p[at] = '?';
        else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)rest.p[1] < 0xa0))
            memset(p + at, ' ', n);
        rest = str_skip(rest, n > 0 ? n : 1);
    }
}

static int format_json(char *line, const char *when, const char *level, const char *event,
                       const char *fields)
{
    char text[LINE_BYTES / 2], ctx[CONTEXT_BYTES * 2];

    put_json_text(text, sizeof(text), str_of(fields));
    put_json_text(ctx, sizeof(ctx), str_of(context));
    return snprintf(line, LINE_BYTES,
                    "{\"ts\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"event\":\"%s\","
                    "\"context\":\"%s\",\"fields\":\"%s\"}\n",
                    when, level, service_name, event, ctx, text);
}

void log_line(enum log_level level, const char *event, const char *fields, ...)
{
    char line[LINE_BYTES], text[LINE_BYTES / 2], when[40];
    struct timespec now;
    struct tm utc;
    va_list args;
    size_t at;
    int n;

    if (!log_enabled(level))
        return;
    va_start(args, fields);
    vsnprintf(text, sizeof(text), fields, args);
    va_end(args);
    make_harmless(text);
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
