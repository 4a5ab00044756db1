/* fetch_items.c - writes the items of a FETCH answer. */
#include "fetch_items.h"

#include "imap_reply.h"
#include "view.h"

#include "mail/date.h"

#include <inttypes.h>

void fetch_items_flags(struct buf *out, const struct fetch_item *item,
                       const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "FLAGS ");
    imap_reply_flags(out, subject->row->flags);
}

void fetch_items_uid(struct buf *out, const struct fetch_item *item,
                     const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "UID %" PRIu32, subject->row->uid);
}

void fetch_items_size(struct buf *out, const struct fetch_item *item,
                      const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "RFC822.SIZE %" PRId32, subject->row->size);
}

void fetch_items_internaldate(struct buf *out, const struct fetch_item *item,
                              const struct fetch_subject *subject)
{
    char text[DATE_TEXT_BYTES];
    str_t date = date_format_internal(subject->row->idate_unix, text);

    (void)item;
    imap_reply_text(out, "INTERNALDATE \"%.*s\"", STR_ARG(date));
}

void fetch_items_envelope(struct buf *out, const struct fetch_item *item,
                          const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "ENVELOPE ");
    imap_structure_envelope(subject->arena, subject->header, out);
}

void fetch_items_bodystructure(struct buf *out, const struct fetch_item *item,
                               const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "BODYSTRUCTURE ");
    imap_structure_body(subject->arena, subject->message, true, out);
}

void fetch_items_body(struct buf *out, const struct fetch_item *item,
                      const struct fetch_subject *subject)
{
    (void)item;
    imap_reply_text(out, "BODY ");
    imap_structure_body(subject->arena, subject->message, false, out);
}

void fetch_items_section(struct buf *out, const struct fetch_item *item,
                         const struct fetch_subject *subject)
{
    str_t from = item->need == FETCH_HEADER ? subject->header : subject->message;
    str_t bytes;

    fetch_plan_label(out, item);
    imap_reply_text(out, " ");
    if (imap_structure_section_get(subject->arena, from, &item->section, &bytes) != RC_OK)
        imap_reply_text(out, "NIL");
    else
        imap_reply_literal(out, fetch_plan_slice(item, bytes));
}
