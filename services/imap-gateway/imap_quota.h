/* imap_quota.h - the one quota root of an account.  RFC 9208. */
#pragma once

#include "imap_command.h"

#include "base/rc.h"

#define IMAP_QUOTA_ROOT "User quota"

/* Appends the QUOTA line. */
enum rc imap_quota_line(struct imap_cmd *cmd) RC_CHECKED;
