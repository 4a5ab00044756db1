/* imap_flag.h - change flags of messages of the selected mailbox, turn by turn.
 *
 * A hundred thousand rows in one transaction would lock the mailbox and hold a worker for
 * seconds.  RFC 9051 6.4.6 does not want STORE to be one thing.
 */
#pragma once

#include "imap_command.h"

#include "base/rc.h"

struct store_message_change;
struct view_list;

enum { IMAP_FLAG_TURN = 500 }; /* messages that one turn changes */

/* Of at most IMAP_FLAG_TURN messages. */
enum rc imap_flag(struct imap_cmd *cmd, const struct view_list *list,
                  const struct store_message_change *change) RC_CHECKED;

/* When the last turn is over, well or not: the other sessions look once. */
void imap_flag_publish(struct imap_cmd *cmd);
