/* imap_use.h - special uses of mailboxes: which name gets one, and its flag in LIST.
 *
 * Pure.  RFC 6154.
 */
#pragma once

#include "base/str.h"

#include "store/store_mailbox.h"

enum store_mailbox_use imap_use_of_name(str_t name);
const char *imap_use_flag(int use); /* "\\Sent"; "" for none */
