/* imap_list.h - LIST and LSUB: patterns, options, attributes.
 *
 * RFC 9051 6.3.9 with the options SUBSCRIBED, SPECIAL-USE (RFC 6154) and STATUS
 * (RFC 5819).  Limits: no RECURSIVEMATCH, at most IMAP_LIST_PATTERNS patterns, which
 * have IMAP_LIST_BYTES together: a list costs these times all names of the account.
 */
#pragma once

#include "imap_command.h"
#include "imap_name.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum { IMAP_LIST_PATTERNS = 50, IMAP_LIST_BYTES = 4 * IMAP_NAME_MAX };

struct imap_list_request {
    str_t patterns[IMAP_LIST_PATTERNS]; /* with the reference before each */
    size_t pattern_count;
    bool only_separator; /* an empty pattern asks for nothing else */
    bool only_subscribed;
    bool only_special;
    bool show_subscribed;
    unsigned status_items; /* 0: none wanted */
    bool lsub;             /* the answer to LSUB, RFC 3501 6.3.9 */
};

/* False: malformed or too long, imap_reply_args says which. */
bool imap_list_read(struct imap_cmd *cmd, struct imap_list_request *out);
enum rc imap_list_run(struct imap_cmd *cmd,
                      const struct imap_list_request *request) RC_CHECKED;
