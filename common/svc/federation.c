/* federation.c - with which domains mail is exchanged: the rows of the table, ready to be
 * asked. */
#include "svc/federation.h"

#include "base/arena.h"
#include "base/idn.h"
#include "mail/address.h"

struct federation {
    const struct store_federation_row **slots; /* by hash, at most half full */
    size_t mask;                               /* slots - 1, of a power of two */
    size_t count;
};

static const str_t below = STR("*.");

/* FNV-1a; the rows are the operator's, so nobody chooses what collides. */
static uint64_t hash_more(uint64_t hash, str_t s)
{
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Of the two, one behind the other. */
static uint64_t hash_of(str_t prefix, str_t rest)
{
    return hash_more(hash_more(UINT64_C(0xcbf29ce484222325), prefix), rest);
}

static enum rc name_pattern(struct arena *a, str_t prefix, str_t text, str_t *out)
{
    struct idn_name name;

    if (!address_is_domain(text, ADDRESS_UTF8) || idn_to_ascii(text, &name) != RC_OK ||
        !address_is_domain(str_n(name.text, name.n), 0))
        return RC_INVALID;
    *out = str_of(arena_printf(a, "%.*s%s", STR_ARG(prefix), name.text));
    return RC_OK;
}

enum rc federation_pattern(struct arena *a, str_t text, str_t *out)
{
    str_t bracketed = str_of(arena_printf(a, "[%.*s]", STR_ARG(text)));

    if (str_eq(text, S("*")) || address_is_ipv4_literal(text)) {
        *out = arena_str(a, text);
        return RC_OK;
    }
    if (address_is_ipv4_literal(bracketed)) {
        *out = bracketed;
        return RC_OK;
    }
    return str_starts(text, below) ? name_pattern(a, below, str_skip(text, below.n), out)
                                   : name_pattern(a, S(""), text, out);
}

const char *federation_direction_word(unsigned directions)
{
    return directions == FEDERATION_IN    ? "in"
           : directions == FEDERATION_OUT ? "out"
                                          : "both";
}

const char *federation_verdict_word(bool blocks)
{
    return blocks ? "block" : "allow";
}

bool federation_parse_direction(str_t word, unsigned *out)
{
    *out = str_eq(word, S("in"))     ? FEDERATION_IN
           : str_eq(word, S("out"))  ? FEDERATION_OUT
           : str_eq(word, S("both")) ? FEDERATION_BOTH
                                     : 0;
    return *out != 0;
}

bool federation_parse_verdict(str_t word, bool *blocks)
{
    *blocks = str_eq(word, S("block"));
    return *blocks || str_eq(word, S("allow"));
}

struct federation *federation_new(struct arena *a,
                                  const struct store_federation_row *rows, size_t n)
{
    struct federation *f = arena_alloc(a, sizeof(*f));
    size_t slots = 16;

    while (slots < 2 * n)
        slots *= 2;
    *f = (struct federation){ .slots = arena_array(a, slots, sizeof(*f->slots)),
                              .mask = slots - 1,
                              .count = n };
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_of(S(""), rows[i].pattern) & f->mask;

        while (f->slots[at] != NULL)
            at = (at + 1) & f->mask;
        f->slots[at] = &rows[i];
    }
    return f;
}

/* The row of that pattern, if it is for the direction. */
static const struct store_federation_row *find(const struct federation *f, str_t prefix,
                                               str_t rest, unsigned direction)
{
    const struct store_federation_row *row;
    size_t at = hash_of(prefix, rest) & f->mask;

    for (; (row = f->slots[at]) != NULL; at = (at + 1) & f->mask)
        if (str_starts(row->pattern, prefix) &&
            str_eq(str_skip(row->pattern, prefix.n), rest))
            break;
    return row != NULL && (row->directions & direction) != 0 ? row : NULL;
}

static const struct store_federation_row *most_specific(const struct federation *f,
                                                        str_t domain, unsigned direction)
{
    const struct store_federation_row *row = find(f, S(""), domain, direction);
    size_t dot;

    while (row == NULL && (dot = str_find_char(domain, '.')) != SIZE_MAX) {
        domain = str_skip(domain, dot + 1);
        row = find(f, below, domain, direction);
    }
    return row != NULL ? row : find(f, S("*"), S(""), direction);
}

bool federation_blocks(const struct federation *f, str_t domain,
                       enum federation_direction direction)
{
    const struct store_federation_row *row;
    struct idn_name name;

    if (f->count == 0)
        return false;
    /* What DNS cannot have as a name is only meant by "*". */
    row = idn_to_ascii(domain, &name) == RC_OK
              ? most_specific(f, str_n(name.text, name.n), direction)
              : find(f, S("*"), S(""), direction);
    return row != NULL && row->blocks;
}
