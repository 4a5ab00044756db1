/* imap_select.h - SELECT and EXAMINE differ in one bit.  */
#pragma once

#include "imap_command.h"

enum cmd_result imap_select_mailbox(struct imap_cmd *cmd, bool read_only);

/* Back to no mailbox. */
void imap_select_leave(struct imap_session *session);
