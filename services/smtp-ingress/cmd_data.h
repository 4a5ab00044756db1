/* cmd_data.h - the bytes of a message after DATA. */
#pragma once

#include "session.h"

/* Take what is in the connection's input.  CMD_LATER: more must come, or a worker has the
 * message now; otherwise the reply is written. */
enum cmd_result cmd_data_feed(struct smtp_cmd *cmd, struct buf *in);

void cmd_data_register_metrics(void);
