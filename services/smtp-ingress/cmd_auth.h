/* cmd_auth.h - the lines of an AUTH after its first. */
#pragma once

#include "session.h"

/* cmd->rest is the whole line. */
enum cmd_result cmd_auth_line(struct smtp_cmd *cmd);

void cmd_auth_forget(struct session *s); /* wipes what was collected */
