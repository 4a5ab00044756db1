/* imap_metadata.h - METADATA entries: which there are and what they say.  RFC 5464.
 *
 * Thread: the one that runs the command.
 */
#pragma once

#include "imap_command.h"

#include "base/rc.h"
#include "base/str.h"

#define IMAP_METADATA_DEVICE_TOKEN "/private/devicetoken"

/* mailbox: empty for the server's own entries.  value->p is NULL for NIL. */
enum rc imap_metadata_get(struct imap_cmd *cmd, str_t mailbox, str_t entry,
                          str_t *value) RC_CHECKED;
