/* fetch_plan.c - what one FETCH wants of each message. */
#include "fetch_plan.h"

#include "fetch_items.h"
#include "imap_reply.h"

#include "base/arena.h"
#include "base/buf.h"

#include <inttypes.h>

static const struct fetch_row rows[] = {
#define FETCH_ITEM(name, function, need, flags) { name, function, need, flags },
#include "fetch_items.def"
#undef FETCH_ITEM
};

static const struct {
    const char *name;
    const char *items[5];
} macros[] = {
    { "ALL", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE" } },
    { "FAST", { "FLAGS", "INTERNALDATE", "RFC822.SIZE" } },
    { "FULL", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY" } },
};

static const struct fetch_row *find(str_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq_nocase(name, str_of(rows[i].name)))
            return &rows[i];
    return NULL;
}

static bool is_whole(const struct imap_structure_section *s)
{
    return s->what == IMAP_STRUCTURE_ALL && s->number_count == 0;
}

static enum fetch_need need_of(const struct fetch_item *item)
{
    if (item->row->need != FETCH_SECTION)
        return item->row->need;
    if (is_whole(&item->section))
        return FETCH_STREAM;
    if (imap_structure_section_is_header(&item->section))
        return FETCH_HEADER;
    return FETCH_MESSAGE;
}

/* Said twice, or implied besides: told once. */
static bool is_known(const struct fetch_plan *plan, const struct fetch_row *row)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].row == row)
            return true;
    return false;
}

static enum rc add(struct fetch_plan *plan, struct fetch_item item)
{
    if (item.row->need == FETCH_ROW && is_known(plan, item.row))
        return RC_OK;
    if (plan->count == FETCH_PLAN_ITEMS)
        return RC_LIMIT;
    item.need = need_of(&item);
    plan->items[plan->count++] = item;
    if (item.need == FETCH_STREAM)
        plan->streams = true;
    else if (item.need > plan->need)
        plan->need = item.need;
    plan->sets_seen |= (item.row->flags & FETCH_SETS_SEEN) != 0;
    plan->has_flags |= str_eq(str_of(item.row->name), S("FLAGS"));
    return RC_OK;
}

static enum rc add_name(struct fetch_plan *plan, const char *name)
{
    return add(plan, (struct fetch_item){ .row = find(str_of(name)) });
}

static enum rc add_macro(struct imap_parser *in, struct fetch_plan *plan, bool *found)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < ARRAY_LEN(macros) && !*found; i++) {
        *found = imap_parser_word(in, str_of(macros[i].name));
        for (size_t k = 0; *found && k < ARRAY_LEN(macros[i].items) && rc == RC_OK; k++)
            if (macros[i].items[k] != NULL)
                rc = add_name(plan, macros[i].items[k]);
    }
    return rc;
}

/* Field names may come as literals; mail/imap_structure wants one text without them. */
static bool section_text(struct imap_parser *in, str_t *out)
{
    /* Escapes are all that can make it longer. */
    struct buf *text = arena_buf(in->arena, 2 * (size_t)(in->end - in->p));
    str_t piece;

    while (!imap_parser_char(in, ']')) {
        if (imap_parser_string(in, &piece)) {
            imap_reply_string(text, piece);
        } else if (imap_parser_peek(in, ' ') || imap_parser_peek(in, '(') ||
                   imap_parser_peek(in, ')')) {
            buf_putc(text, *in->p++);
        } else if (imap_parser_atom(in, &piece)) {
            buf_put(text, piece);
        } else {
            return false;
        }
    }
    *out = buf_str(text);
    return true;
}

static bool read_partial(struct imap_parser *in, struct fetch_item *item)
{
    uint64_t first, length;

    if (!imap_parser_char(in, '<'))
        return true;
    if (!imap_parser_number(in, UINT32_MAX, &first) || !imap_parser_char(in, '.') ||
        !imap_parser_number(in, UINT32_MAX, &length) || length == 0 ||
        !imap_parser_char(in, '>'))
        return false;
    item->partial = true;
    item->first = (uint32_t)first;
    item->length = (uint32_t)length;
    return true;
}

/* The old names are sections under another name. */
static void imply_section(struct fetch_item *item)
{
    str_t name = str_of(item->row->name);

    if (str_eq(name, S("RFC822.HEADER")))
        item->section.what = IMAP_STRUCTURE_HEADER;
    else if (str_eq(name, S("RFC822.TEXT")))
        item->section.what = IMAP_STRUCTURE_TEXT;
}

static enum rc add_next(struct imap_parser *in, struct fetch_plan *plan)
{
    struct fetch_item item = { 0 };
    str_t name, text;
    enum rc rc = RC_OK;

    if (!imap_parser_name(in, &name))
        return RC_INVALID;
    if (imap_parser_char(in, '['))
        name.n++;
    item.row = find(name);
    if (item.row == NULL) {
        imap_parser_refuse(in, NULL, "unknown item");
        return RC_INVALID;
    }
    if (name.p[name.n - 1] == '[') {
        rc = section_text(in, &text)
                 ? imap_structure_section_parse(in->arena, text, &item.section)
                 : RC_INVALID;
        if (rc == RC_INVALID)
            imap_parser_refuse(in, NULL, "malformed section");
        if (rc == RC_OK && !read_partial(in, &item)) {
            imap_parser_refuse(in, NULL, "malformed <first.length>");
            rc = RC_INVALID;
        }
    } else {
        imply_section(&item);
    }
    return rc == RC_OK ? add(plan, item) : rc;
}

static enum rc read_list(struct imap_parser *in, struct fetch_plan *plan)
{
    enum rc rc;

    imap_parser_skip_spaces(in);
    do {
        rc = add_next(in, plan);
        imap_parser_skip_spaces(in);
    } while (rc == RC_OK && !imap_parser_char(in, ')'));
    return rc;
}

enum rc fetch_plan_read(struct imap_parser *in, bool add_uid, struct fetch_plan *out)
{
    bool macro = false;
    enum rc rc = RC_OK;

    *out = (struct fetch_plan){ 0 };
    if (!imap_parser_space(in))
        return RC_INVALID;
    if (add_uid)
        rc = add_name(out, "UID");
    if (rc == RC_OK)
        rc = add_macro(in, out, &macro);
    if (rc == RC_OK && !macro)
        rc = imap_parser_char(in, '(') ? read_list(in, out) : add_next(in, out);
    if (rc == RC_OK && !imap_parser_end(in))
        rc = RC_INVALID;
    if (rc == RC_OK && out->sets_seen && !out->has_flags)
        rc = add_name(out, "FLAGS");
    if (rc == RC_LIMIT)
        imap_parser_refuse(in, "LIMIT", "too many items or part numbers");
    return rc;
}

void fetch_plan_label(struct buf *out, const struct fetch_item *item)
{
    str_t name = str_of(item->row->name);

    if (name.p[name.n - 1] != '[') {
        imap_reply_bytes(out, name);
        return;
    }
    imap_reply_text(out, "BODY[");
    imap_structure_section_format(&item->section, out);
    imap_reply_text(out, "]");
    if (item->partial)
        imap_reply_text(out, "<%" PRIu32 ">", item->first);
}

str_t fetch_plan_slice(const struct fetch_item *item, str_t bytes)
{
    if (!item->partial)
        return bytes;
    return str_head(str_skip(bytes, item->first), item->length);
}
