/* imap_use.c - special uses of mailboxes. */
#include "imap_use.h"

static const struct {
    const char *name;
    enum store_mailbox_use use;
} names[] = {
    { "Archive", STORE_MAILBOX_USE_ARCHIVE }, { "Drafts", STORE_MAILBOX_USE_DRAFTS },
    { "Junk", STORE_MAILBOX_USE_JUNK },       { "Spam", STORE_MAILBOX_USE_JUNK },
    { "Sent", STORE_MAILBOX_USE_SENT },       { "Sent Messages", STORE_MAILBOX_USE_SENT },
    { "Trash", STORE_MAILBOX_USE_TRASH },
};

enum store_mailbox_use imap_use_of_name(str_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i].name)))
            return names[i].use;
    return STORE_MAILBOX_USE_NONE;
}

const char *imap_use_flag(int use)
{
    switch (use) {
    case STORE_MAILBOX_USE_ARCHIVE:
        return "\\Archive";
    case STORE_MAILBOX_USE_DRAFTS:
        return "\\Drafts";
    case STORE_MAILBOX_USE_JUNK:
        return "\\Junk";
    case STORE_MAILBOX_USE_SENT:
        return "\\Sent";
    case STORE_MAILBOX_USE_TRASH:
        return "\\Trash";
    default:
        return "";
    }
}
