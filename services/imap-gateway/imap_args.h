/* imap_args.h - arguments that several commands share.
 *
 * Each function reads the blank before its argument, too.  False or not RC_OK: the
 * argument is missing or refused, and imap_reply_args says why.  Thread: one owner.
 */
#pragma once

#include "imap_command.h"
#include "imap_parser.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store_mailbox;

/* A mailbox name, decoded to UTF-8 and canonical. */
bool imap_args_mailbox(struct imap_parser *in, str_t *utf8);
/* The same for one that was read already. */
bool imap_args_name(struct imap_parser *in, str_t wire, str_t *utf8);

/* "(\Seen $MDNSent)", or without parentheses if bare is allowed.  Flags that are not
 * kept are left out, as RFC 9051 2.3.2 permits when PERMANENTFLAGS lacks "\*"; *others
 * tells that there were some, and so must the answer. */
bool imap_args_flags(struct imap_parser *in, bool bare, uint32_t *bits, bool *others);

/* "dd-Mon-yyyy hh:mm:ss +zzzz" in quotes. */
bool imap_args_date_time(struct imap_parser *in, int64_t *unix_seconds);

/* APPEND's line up to its message: false if more than these precedes the literal. */
struct imap_args_append {
    str_t mailbox;
    uint32_t flags;
    bool other_flags; /* that are not kept */
    int64_t idate_unix;
    bool dated; /* idate_unix is given */
};
/* in stands behind "APPEND" and ends with the "{n}" of the message. */
bool imap_args_append(struct imap_parser *in, struct imap_args_append *out);

/* The rest of a command that takes one mailbox: read, look up, RC_INVALID if malformed.
 */
enum rc imap_args_find_mailbox(struct imap_cmd *cmd,
                               struct store_mailbox *out) RC_CHECKED;

/* Messages of the selected mailbox: the set that a command begins with. */
enum rc imap_args_messages(struct imap_cmd *cmd, struct view_list *out) RC_CHECKED;
/* CMD_MORE, of a command whose next turn gets the same messages without resolving the set
 * again. */
enum cmd_result imap_args_more(struct imap_cmd *cmd, const struct view_list *list);
