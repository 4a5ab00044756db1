/* imap_expunge.h - remove \Deleted messages of the selected mailbox.  */
#pragma once

#include "imap_command.h"

#include "base/rc.h"

struct buf;
struct view_list;

/* Of the list, or of all messages (NULL), those that the client knows as \Deleted.  out
 * gets the EXPUNGE lines, NULL: silently. */
enum rc imap_expunge(struct imap_cmd *cmd, const struct view_list *list,
                     struct buf *out) RC_CHECKED;
