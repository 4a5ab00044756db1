/* imap_subscribe.h - SUBSCRIBE and UNSUBSCRIBE differ in one bit. */
#pragma once

#include "imap_command.h"

enum cmd_result imap_subscribe(struct imap_cmd *cmd, bool on);
