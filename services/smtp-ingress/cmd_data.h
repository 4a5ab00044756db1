/* cmd_data.h - the bytes of a message after DATA, and what BDAT shares with it. */
#pragma once

#include "session.h"
#include "smtp/smtp_data.h"

/* What is not waited out: the connection ends at once. */
enum { CMD_DATA_MALFORMED = SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF | SMTP_DATA_NUL };

/* Take what is in the connection's input.  CMD_LATER: more must come, or a worker has the
 * message now; otherwise the reply is written. */
enum cmd_result cmd_data_feed(struct smtp_cmd *cmd, struct buf *in);

/* The transaction's message begins to come. */
void cmd_data_begin(struct session *s, bool chunked);
/* It is there, or malformed: to a judge or a worker, or the reply is written. */
enum cmd_result cmd_data_end(struct smtp_cmd *cmd);
enum cmd_result cmd_data_too_big(struct smtp_cmd *cmd, enum cmd_result result);

void cmd_data_register_metrics(void);
