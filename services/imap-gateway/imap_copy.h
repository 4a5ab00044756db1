/* imap_copy.h - what COPY and MOVE have in common. */
#pragma once

#include "imap_command.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>

struct store_mailbox;
struct store_message_copied;
struct view_list;

/* Reads "set mailbox" and finds the mailbox.  RC_INVALID: malformed. */
enum rc imap_copy_read(struct imap_cmd *cmd, struct view_list *list,
                       struct store_mailbox *to) RC_CHECKED;

enum cmd_result imap_copy_refuse(struct imap_cmd *cmd, enum rc rc);

/* "COPYUID validity from to" in the arena, "" for no messages.  RFC 4315 3. */
const char *imap_copy_code(struct imap_cmd *cmd, const struct store_message_copied *done);
