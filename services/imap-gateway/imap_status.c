/* imap_status.c - the items of STATUS.  RFC 9051 6.3.11. */
#include "imap_status.h"

#include "imap_reply.h"

#include "store/store_mailbox.h"

#include <inttypes.h>

static const char *const names[] = {
#define STATUS_ITEM(name, conversion, value) name,
#include "status_items.def"
#undef STATUS_ITEM
};

static bool item(str_t name, unsigned *items)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_nocase(name, str_of(names[i]))) {
            *items |= 1u << i;
            return true;
        }
    }
    return false;
}

bool imap_status_items(struct imap_parser *in, unsigned *items)
{
    str_t name;

    *items = 0;
    if (!imap_parser_char(in, '('))
        return false;
    imap_parser_skip_spaces(in);
    while (imap_parser_atom(in, &name)) {
        if (!item(name, items))
            return false;
        imap_parser_skip_spaces(in);
    }
    return *items != 0 && imap_parser_char(in, ')');
}

void imap_status_line(struct buf *out, struct arena *a, str_t name, unsigned items,
                      const struct store_mailbox_counts *c)
{
    const char *separator = "";
    unsigned i = 0;

    imap_reply_text(out, "* STATUS ");
    imap_reply_mailbox(out, a, name);
    imap_reply_text(out, " (");
#define STATUS_ITEM(name, conversion, value)                                             \
    if (items & (1u << i++)) {                                                           \
        imap_reply_text(out, "%s" name " %" conversion, separator, value);               \
        separator = " ";                                                                 \
    }
#include "status_items.def"
#undef STATUS_ITEM
    imap_reply_text(out, ")");
    imap_reply_end(out);
}
