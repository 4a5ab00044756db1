/* dns_table.c - a list of questions in the order of asking. */
#include "mail/dns_table.h"

#include "base/arena.h"
#include "base/buf.h"

enum { LABEL_MAX_BYTES = 63, TEXT_MAX_BYTES = 65535 };

void dns_table_init(struct dns_table *t, struct arena *a)
{
    *t = (struct dns_table){ .arena = a };
}

static str_t without_final_dot(str_t name)
{
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    return name;
}

bool dns_table_is_name(str_t name)
{
    size_t label = 0;

    name = without_final_dot(name);
    if (name.n == 0 || name.n > DNS_TABLE_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        /* A blank may come out of a macro ("%_") and is a byte as good as any. */
        if (c < ' ' || c > '~')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX_BYTES || (c == '.' && (i == 0 || name.p[i - 1] == '.')))
            return false;
    }
    return label > 0;
}

static struct dns_table_row *answered(struct dns_table *t, enum dns_table_state state)
{
    struct dns_table_row *row = arena_alloc(t->arena, sizeof(*row));

    row->state = state;
    return row;
}

struct dns_table_row *dns_table_ask(struct dns_table *t, str_t name, int type)
{
    struct dns_table_row *row;

    if (!dns_table_is_name(name))
        return answered(t, DNS_TABLE_NXDOMAIN);
    name = without_final_dot(name);
    for (row = t->first; row != NULL; row = row->next)
        if (row->type == type && str_eq_nocase(row->name, name))
            return row;
    if (t->count == DNS_TABLE_ROWS_MAX)
        return answered(t, DNS_TABLE_FAILED);
    row = answered(t, DNS_TABLE_WANTED);
    row->name = arena_str(t->arena, name);
    row->type = type;
    if (t->first == NULL)
        t->first = row;
    else
        t->last->next = row;
    t->last = row;
    t->count++;
    return row;
}

struct dns_table_row *dns_table_wanted(const struct dns_table *t,
                                       const struct dns_table_row *after)
{
    struct dns_table_row *row = after == NULL ? t->first : after->next;

    while (row != NULL && row->state != DNS_TABLE_WANTED)
        row = row->next;
    return row;
}

bool dns_table_text(struct arena *a, str_t rdata, str_t *out)
{
    struct buf *text = arena_buf(a, TEXT_MAX_BYTES);

    if (rdata.n == 0 || rdata.n > TEXT_MAX_BYTES)
        return false;
    while (rdata.n > 0) {
        size_t n = (unsigned char)rdata.p[0];

        if (n + 1 > rdata.n)
            return false;
        buf_append(text, rdata.p + 1, n);
        rdata = str_skip(rdata, n + 1);
    }
    *out = buf_str(text);
    return true;
}

bool dns_table_host(struct arena *a, int type, str_t rdata, str_t *out)
{
    struct buf *text = arena_buf(a, DNS_TABLE_NAME_MAX_BYTES);
    size_t preference = type == DNS_TABLE_MX ? 2 : 0;
    str_t wire = str_skip(rdata, preference);

    if (rdata.n <= preference)
        return false;
    while (wire.n > 0 && wire.p[0] != '\0') {
        size_t n = (unsigned char)wire.p[0];

        /* A dot within a label would make two of it. */
        if (n + 1 > wire.n || str_find_char(str_n(wire.p + 1, n), '.') != SIZE_MAX)
            return false;
        if (text->n > 0)
            buf_putc(text, '.');
        buf_append(text, wire.p + 1, n);
        wire = str_skip(wire, n + 1);
    }
    *out = buf_str(text);
    return wire.n == 1 && !text->full && (out->n == 0 || dns_table_is_name(*out));
}
