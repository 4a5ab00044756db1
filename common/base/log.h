/* log.h - one line per event on standard error, and the check that stops on our own bugs.
 *
 * Event names are dotted and stable ("smtp.accepted").  Never pass message content,
 * passwords or tokens; who is meant (addresses of people and clients, numbers of
 * accounts) only at debug.
 *
 * Thread: any; the context belongs to the calling thread.
 */
#pragma once

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR, /* someone must act */
    LOG_LEVEL_WARN,  /* someone should look */
    LOG_LEVEL_INFO,  /* one per transaction */
    LOG_LEVEL_DEBUG, /* one per command */
};

/* service is borrowed for the life of the process. */
void log_init(const char *service, enum log_level level, bool json);
bool log_enabled(enum log_level level);

/* Words put before each line of this thread, e.g. "session=ab12".  At most 126 bytes are
 * kept. */
void log_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_context_clear(void);

/* fields: "key=value key=value", by %s, %.*s, %c, %d, %u and %x with their lengths;
 * numbers of a width begin with zeros.  A line can be read back: a string with blanks
 * stands in quotes, whether they are in the format or not, and there quotes, backslashes,
 * controls and what is no UTF-8 are \", \\, \n, \r, \t and \x1b. */
void log_line(enum log_level level, const char *event, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                            \
    do {                                                                                 \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                \
            log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__);                               \
    } while (0)

/* A violated condition is our bug: say where, and abort.  Stays on in release builds. */
#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (!(cond))                                                                     \
            log_check_failed(#cond, __FILE__, __LINE__);                                 \
    } while (0)

_Noreturn void log_check_failed(const char *cond, const char *file, int line);
