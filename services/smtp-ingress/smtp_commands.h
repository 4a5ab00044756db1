/* smtp_commands.h - the table of commands, and what its rows demand of a session.
 *
 * Thread: any.
 */
#pragma once

#include "base/metric.h"
#include "base/str.h"
#include "session.h"

#include <stddef.h>

enum smtp_commands_flag {
    SMTP_CLEAR = 1 << 0,
    SMTP_LOGIN = 1 << 1,
    SMTP_BARE = 1 << 2,
    SMTP_LAST = 1 << 3,
    SMTP_OCTETS = 1 << 4,
};

struct smtp_commands_row {
    str_t verb;
    enum cmd_result (*handler)(struct smtp_cmd *cmd);
    enum smtp_event event;
    unsigned ports;
    unsigned flags;
    const char *keyword;
};

#define SMTP_CMD(verb, handler, event, ports, flags, keyword)                            \
    enum cmd_result handler(struct smtp_cmd *cmd);
#include "smtp_commands.def"
#undef SMTP_CMD

size_t smtp_commands_count(void);
const struct smtp_commands_row *smtp_commands_at(size_t i);
const struct smtp_commands_row *smtp_commands_find(str_t verb); /* NULL: unknown */

/* May it run now?  Then its use is counted.  False: the reply is written. */
bool smtp_commands_allowed(const struct session *s, const struct smtp_commands_row *row,
                           str_t rest, struct buf *out);
/* Would it be allowed in this session as far as port and TLS go?  For the EHLO reply. */
bool smtp_commands_offered(const struct session *s, const struct smtp_commands_row *row);

void smtp_commands_register_metrics(void);
