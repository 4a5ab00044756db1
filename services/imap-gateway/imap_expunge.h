/* imap_expunge.h - remove \Deleted messages of the selected mailbox, turn by turn.  */
#pragma once

#include "imap_command.h"

#include "base/rc.h"

#include <stdbool.h>

struct buf;
struct view_list;

/* Of the list, or of all messages (NULL), those that the client knows as \Deleted.  out
 * gets the EXPUNGE lines, NULL: silently.  *more: the next turn goes on behind
 * cursor->uid; a list must be resolved anew for it. */
enum rc imap_expunge(struct imap_cmd *cmd, const struct view_list *list, struct buf *out,
                     bool *more) RC_CHECKED;
