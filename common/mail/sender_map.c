/* sender_map.c - which account may send as whom: pairs, sorted by account. */
#include "mail/sender_map.h"

#include "base/arena.h"
#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>

struct sender_map_row {
    str_t account, sender; /* lower case */
};

struct reading {
    struct arena *arena;
    struct sender_map *map;
    size_t cap;
    char *why;
    size_t room;
};

static bool refuse(const struct reading *r, size_t line, str_t word, const char *what)
{
    snprintf(r->why, r->room, "line %zu: %.*s: %s", line,
             (int)(word.n < 100 ? word.n : 100), word.p, what);
    return false;
}

static bool is_star(str_t word)
{
    return str_eq(word, S("*"));
}

static bool is_address(str_t word)
{
    struct address ignored;

    return address_parse(word, ADDRESS_UTF8 | ADDRESS_FULL, &ignored) == RC_OK;
}

static bool is_domain(str_t word)
{
    return address_is_domain(word, ADDRESS_UTF8) || address_is_ip_literal(word);
}

static void add(struct reading *r, str_t account, str_t sender)
{
    struct sender_map *m = r->map;

    if (m->count == r->cap) {
        size_t cap = r->cap == 0 ? 64 : 2 * r->cap;
        struct sender_map_row *more = arena_array(r->arena, cap, sizeof(*more));

        for (size_t i = 0; i < m->count; i++)
            more[i] = m->rows[i];
        m->rows = more;
        r->cap = cap;
    }
    m->rows[m->count++] =
        (struct sender_map_row){ .account = arena_str_lower(r->arena, account),
                                 .sender = arena_str_lower(r->arena, sender) };
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}

static bool read_senders(struct reading *r, size_t line, str_t account, str_t text)
{
    while (text.n > 0) {
        size_t n = 0;
        str_t word;

        while (n < text.n && !is_separator(text.p[n]))
            n++;
        word = str_head(text, n);
        text = str_skip(text, n > 0 ? n : 1);
        if (n == 0)
            continue;
        if (!is_star(word) && !is_address(word) && !is_domain(word))
            return refuse(r, line, word, "neither an address nor a domain nor *");
        if (r->map->count == SENDER_MAP_ROWS_MAX)
            return refuse(r, line, word, "too many senders");
        add(r, account, word);
    }
    return true;
}

static bool read_line(struct reading *r, size_t line, str_t text)
{
    size_t before = r->map->count, at;
    str_t account;

    text = str_trim(text);
    if (text.n == 0 || text.p[0] == '#')
        return true;
    /* A literal of IPv6 has colons of its own, but no blank. */
    for (at = 0; at < text.n; at++)
        if (text.p[at] == ':' && (at + 1 == text.n || is_separator(text.p[at + 1])))
            break;
    account = str_trim(str_head(text, at));
    if (at == text.n || (!is_star(account) && !is_address(account)))
        return refuse(r, line, account, "not \"account: senders\"");
    if (!read_senders(r, line, account, str_skip(text, at + 1)))
        return false;
    return r->map->count > before || refuse(r, line, account, "no sender behind it");
}

static int compare(const void *a, const void *b)
{
    const struct sender_map_row *x = a, *y = b;

    return str_compare(x->account, y->account);
}

enum rc sender_map_parse(struct arena *a, str_t text, struct sender_map *out, char *why,
                         size_t room)
{
    struct reading r = { .arena = a, .map = out, .why = why, .room = room };
    size_t number = 0;
    str_t line;

    *out = (struct sender_map){ .count = 0 };
    if (text.n > SENDER_MAP_TEXT_MAX) {
        snprintf(why, room, "longer than %d bytes", SENDER_MAP_TEXT_MAX);
        return RC_INVALID;
    }
    while (str_split(&text, '\n', &line))
        if (!read_line(&r, ++number, line))
            return RC_INVALID;
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof(*out->rows), compare);
    return RC_OK;
}

static size_t first_of(const struct sender_map *m, str_t account)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (str_compare(m->rows[middle].account, account) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool covers(str_t rule, str_t sender)
{
    size_t at = sender.n;

    while (at > 0 && sender.p[at - 1] != '@')
        at--;
    return is_star(rule) || str_eq_nocase(rule, sender) ||
           str_eq_nocase(rule, str_skip(sender, at));
}

/* Has it lines, and is the sender in one? */
static bool look(const struct sender_map *m, str_t account, str_t sender, bool *allows)
{
    size_t first = first_of(m, account), i = first;

    *allows = false;
    for (; i < m->count && str_eq(m->rows[i].account, account); i++)
        *allows |= covers(m->rows[i].sender, sender);
    return i > first;
}

bool sender_map_allows(const struct sender_map *m, str_t account, str_t sender)
{
    struct arena *a = arena_new();
    str_t lower = arena_str_lower(a, account);
    bool allows;

    if (!look(m, lower, sender, &allows))
        look(m, S("*"), sender, &allows);
    arena_free(&a);
    return allows;
}
