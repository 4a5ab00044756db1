/* imap_list.h - LIST and LSUB: patterns, options, attributes.
 *
 * RFC 9051 6.3.9 with the options SUBSCRIBED, SPECIAL-USE (RFC 6154) and STATUS
 * (RFC 5819).  Limits: no RECURSIVEMATCH, at most IMAP_LIST_PATTERNS patterns.
 */
#pragma once

#include "imap_command.h"

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum { IMAP_LIST_PATTERNS = 50 };

struct imap_list_request {
    str_t reference; /* put before each pattern */
    str_t patterns[IMAP_LIST_PATTERNS];
    size_t pattern_count;
    bool only_subscribed;
    bool only_special;
    bool show_subscribed;
    unsigned status_items; /* 0: none wanted */
    const char *word;      /* "LIST" or "LSUB" */
};

bool imap_list_read(struct imap_cmd *cmd, struct imap_list_request *out);
enum rc imap_list_run(struct imap_cmd *cmd,
                      const struct imap_list_request *request) RC_CHECKED;
