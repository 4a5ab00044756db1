/* address_list.h - the addresses of a header field: names, comments, groups.
 *
 * Pure.  Linear in time and memory.  RFC 5322 3.4.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END };

struct address_item {
    enum address_kind kind;
    str_t name;    /* display name, unquoted; without one the last comment, or empty */
    str_t mailbox; /* local part, unquoted; the group's name for ADDRESS_GROUP_START */
    str_t host;    /* empty if none */
    bool spoiled;  /* blanks or special characters stood in it that only quotes allow */
};

/* A list as IMAP's ENVELOPE wants it; lenient, never fails: what makes no sense is left
 * out.  Returns the number of *items. */
size_t address_list_parse(struct arena *a, str_t value, struct address_item **items);

/* The one mailbox of a field that every reader takes for that one: false for an empty
 * field, several mailboxes, a group, a source route, words
 * behind the ">", or what begins and never ends. */
bool address_list_single(struct arena *a, str_t value, struct address_item *out);
