/* search_program.c - SEARCH's criteria as a tree, and whether a message meets them. */
#include "search_program.h"

#include "view.h"

#include "base/arena.h"
#include "mail/address_list.h"
#include "mail/date.h"
#include "mail/header.h"
#include "store/store_flags.h"

enum {
    DAY_SECONDS = 86400,
    ADDRESSES_MAX = 8 * HEADER_MAX_BYTES, /* "a," becomes " <a@>" */
};

enum search_argument {
    SEARCH_NOTHING,
    SEARCH_FLAG,
    SEARCH_DATE,
    SEARCH_NUMBER,
    SEARCH_UIDS,
    SEARCH_STRING,
    SEARCH_FIELD,
    SEARCH_ONE,
    SEARCH_TWO,
};

enum search_answer { ANSWER_NO = -1, ANSWER_UNKNOWN = 0, ANSWER_YES = 1 };

typedef bool test_fn(const struct search_node *node, struct search_subject *s);

struct search_key {
    const char *name;
    enum search_argument argument;
    enum search_need need;
    test_fn *test;
    uint32_t flag;
};

struct search_node {
    const struct search_key *key; /* NULL: all of `first` and its successors */
    const struct search_node *first;
    const struct search_node *next;
    int64_t number; /* date, size or flag */
    str_t name, text;
    struct imap_set set;
};

/* -- tests of one message -- */

static enum search_answer answer(const struct search_node *node, struct search_subject *s,
                                 enum search_need known);

static bool test_all(const struct search_node *node, struct search_subject *s)
{
    (void)node;
    (void)s;
    return true;
}

static bool test_none(const struct search_node *node, struct search_subject *s)
{
    (void)node;
    (void)s;
    return false;
}

static bool test_with_flag(const struct search_node *node, struct search_subject *s)
{
    return (s->row->flags & (uint32_t)node->number) != 0;
}

static bool test_without_flag(const struct search_node *node, struct search_subject *s)
{
    return !test_with_flag(node, s);
}

static bool test_before(const struct search_node *node, struct search_subject *s)
{
    return s->row->idate_unix < node->number;
}

static bool test_on(const struct search_node *node, struct search_subject *s)
{
    return s->row->idate_unix >= node->number &&
           s->row->idate_unix < node->number + DAY_SECONDS;
}

static bool test_since(const struct search_node *node, struct search_subject *s)
{
    return s->row->idate_unix >= node->number;
}

static bool test_larger(const struct search_node *node, struct search_subject *s)
{
    return s->row->size > node->number;
}

static bool test_smaller(const struct search_node *node, struct search_subject *s)
{
    return s->row->size < node->number;
}

static bool test_uids(const struct search_node *node, struct search_subject *s)
{
    return imap_set_has(&node->set, s->row->uid);
}

static bool test_numbers(const struct search_node *node, struct search_subject *s)
{
    return imap_set_has(&node->set, s->number);
}

static bool field_has(struct search_subject *s, str_t name, str_t text)
{
    struct header_iter it;
    struct header_field field;

    header_init(&it, s->header);
    while (header_next(&it, &field))
        if (str_eq_nocase(field.name, name) &&
            (text.n == 0 ||
             str_find_nocase(header_unfold(s->arena, field.value), text) != SIZE_MAX))
            return true;
    return false;
}

static bool test_field(const struct search_node *node, struct search_subject *s)
{
    return field_has(s, str_of(node->key->name), node->text);
}

/* All of them in the fields of that name, on a line each. */
static str_t addresses_of(struct search_subject *s, str_t name)
{
    struct buf *out = arena_buf(s->arena, ADDRESSES_MAX);
    struct address_item *items;
    struct header_iter it;
    struct header_field field;

    buf_putc(out, '\n');
    header_init(&it, s->header);
    while (header_next(&it, &field)) {
        size_t n = str_eq_nocase(field.name, name)
                       ? address_list_parse(s->arena, field.value, &items)
                       : 0;

        for (size_t i = 0; i < n; i++) {
            buf_put(out, items[i].name);
            buf_puts(out, " <");
            buf_put(out, items[i].mailbox);
            buf_putc(out, '@');
            buf_put(out, items[i].host);
            buf_puts(out, ">\n");
        }
    }
    return buf_str(out);
}

static bool test_addresses(const struct search_node *node, struct search_subject *s)
{
    str_t name = str_of(node->key->name);
    str_t *known = &s->addresses[node->number];

    if (field_has(s, name, node->text))
        return true;
    if (known->p == NULL)
        *known = addresses_of(s, name);
    return node->text.n > 0 && str_find_nocase(*known, node->text) != SIZE_MAX;
}

static bool test_named_field(const struct search_node *node, struct search_subject *s)
{
    return field_has(s, node->name, node->text);
}

/* As it is written, RFC 3501 6.4.4: "disregarding time and timezone". */
static bool sent_day(struct search_subject *s, int64_t *day)
{
    return date_parse_written_day(header_value(s->arena, s->header, S("Date")), day);
}

static bool test_sent_before(const struct search_node *node, struct search_subject *s)
{
    int64_t day;

    return sent_day(s, &day) && day < node->number;
}

static bool test_sent_on(const struct search_node *node, struct search_subject *s)
{
    int64_t day;

    return sent_day(s, &day) && day == node->number;
}

static bool test_sent_since(const struct search_node *node, struct search_subject *s)
{
    int64_t day;

    return sent_day(s, &day) && day >= node->number;
}

static bool test_body(const struct search_node *node, struct search_subject *s)
{
    str_t body = str_skip(s->message, header_end(s->message));

    return node->text.n == 0 || str_find_nocase(body, node->text) != SIZE_MAX;
}

static bool test_text(const struct search_node *node, struct search_subject *s)
{
    return node->text.n == 0 || str_find_nocase(s->message, node->text) != SIZE_MAX;
}

/* These two are judged in answer, which knows of "unknown". */
static bool test_negation(const struct search_node *node, struct search_subject *s)
{
    return answer(node, s, SEARCH_MESSAGE) == ANSWER_YES;
}

static bool test_either(const struct search_node *node, struct search_subject *s)
{
    return answer(node, s, SEARCH_MESSAGE) == ANSWER_YES;
}

static const struct search_key keys[] = {
#define SEARCH_KEY(name, argument, need, test, flag)                                     \
    { name, argument, need, test_##test, flag },
#include "search_keys.def"
#undef SEARCH_KEY
};

static const struct search_key numbers_key = { "", SEARCH_UIDS, SEARCH_ROW, test_numbers,
                                               0 };

/* -- judging -- */

static enum search_answer all_of(const struct search_node *first,
                                 struct search_subject *s, enum search_need known)
{
    enum search_answer all = ANSWER_YES;

    for (const struct search_node *n = first; n != NULL; n = n->next) {
        enum search_answer one = answer(n, s, known);

        if (one == ANSWER_NO)
            return ANSWER_NO;
        if (one == ANSWER_UNKNOWN)
            all = ANSWER_UNKNOWN;
    }
    return all;
}

static enum search_answer any_of(const struct search_node *first,
                                 struct search_subject *s, enum search_need known)
{
    enum search_answer any = ANSWER_NO;

    for (const struct search_node *n = first; n != NULL; n = n->next) {
        enum search_answer one = answer(n, s, known);

        if (one == ANSWER_YES)
            return ANSWER_YES;
        if (one == ANSWER_UNKNOWN)
            any = ANSWER_UNKNOWN;
    }
    return any;
}

/* Recursion is as deep as the criteria were nested, at most SEARCH_PROGRAM_DEPTH. */
static enum search_answer answer(const struct search_node *node, struct search_subject *s,
                                 enum search_need known)
{
    if (node->key == NULL)
        return all_of(node->first, s, known);
    if (node->key->argument == SEARCH_ONE)
        return (enum search_answer)(-(int)answer(node->first, s, known));
    if (node->key->argument == SEARCH_TWO)
        return any_of(node->first, s, known);
    if (node->key->need > known)
        return ANSWER_UNKNOWN;
    return node->key->test(node, s) ? ANSWER_YES : ANSWER_NO;
}

bool search_program_match(const struct search_program *p, struct search_subject *s)
{
    return answer(p->root, s, SEARCH_MESSAGE) == ANSWER_YES;
}

int search_program_quick(const struct search_program *p, struct search_subject *s)
{
    return answer(p->root, s, SEARCH_ROW);
}

/* -- reading -- */

struct reader {
    struct imap_parser *in;
    struct search_limits limits;
    struct search_program *program;
};

static enum rc read_key(struct reader *r, unsigned depth, struct search_node **out);

static enum rc refuse(struct imap_parser *in, const char *wrong)
{
    imap_parser_refuse(in, NULL, wrong);
    return RC_INVALID;
}

/* Who searches without having looked asks for "1:*" of an empty mailbox, too. */
static bool is_beyond(const struct imap_set *set, str_t text, uint32_t last)
{
    if (last == 0 && str_find_char(text, '*') != SIZE_MAX)
        return false;
    return set->ranges[set->count - 1].last > last;
}

static enum rc read_set(struct reader *r, bool uids, struct imap_set *out)
{
    uint32_t last = uids ? r->limits.last_uid : r->limits.last_number;
    str_t text;

    if (!imap_parser_set_text(r->in, &text) ||
        imap_set_parse(r->in->arena, text, last, out) != RC_OK)
        return refuse(r->in, "malformed set of numbers");
    if (!uids && is_beyond(out, text, last))
        return refuse(r->in, "a number is beyond the last message");
    return RC_OK;
}

static enum rc read_date(struct imap_parser *in, int64_t *out)
{
    str_t text;

    if (!imap_parser_astring(in, &text) || !date_parse_day(text, out))
        return refuse(in, "a date is needed (1-Nov-2026)");
    return RC_OK;
}

static enum rc read_flag(struct imap_parser *in, int64_t *out)
{
    str_t text;

    if (!imap_parser_flag(in, &text))
        return refuse(in, "a keyword is needed");
    *out = store_flags_bit(text);
    return RC_OK;
}

static enum rc read_number(struct imap_parser *in, int64_t *out)
{
    uint64_t value;

    if (!imap_parser_number(in, UINT32_MAX, &value))
        return refuse(in, "a number of 32 bits is needed");
    *out = (int64_t)value;
    return RC_OK;
}

/* `count` criteria, separated by blanks. */
static enum rc read_some(struct reader *r, unsigned depth, int count,
                         const struct search_node **first)
{
    const struct search_node **tail = first;

    for (int i = 0; i < count; i++) {
        struct search_node *node;
        enum rc rc = RC_OK;

        if (i > 0 && !imap_parser_space(r->in))
            return RC_INVALID;
        rc = read_key(r, depth + 1, &node);
        if (rc != RC_OK)
            return rc;
        *tail = node;
        tail = &node->next;
    }
    return RC_OK;
}

static enum rc read_text(struct imap_parser *in, str_t *out)
{
    if (!imap_parser_astring(in, out))
        return refuse(in, "a string is needed");
    return out->n <= STR_NEEDLE_MAX ? RC_OK : RC_LIMIT;
}

static enum rc read_argument(struct reader *r, unsigned depth, struct search_node *node)
{
    struct imap_parser *in = r->in;

    if (node->key->argument == SEARCH_NOTHING)
        return RC_OK;
    if (!imap_parser_space(in))
        return refuse(in, "a key lacks its argument");
    switch (node->key->argument) {
    case SEARCH_FLAG:
        return read_flag(in, &node->number);
    case SEARCH_DATE:
        return read_date(in, &node->number);
    case SEARCH_NUMBER:
        return read_number(in, &node->number);
    case SEARCH_UIDS:
        return read_set(r, true, &node->set);
    case SEARCH_STRING:
        return read_text(in, &node->text);
    case SEARCH_FIELD:
        return imap_parser_astring(in, &node->name) && imap_parser_space(in)
                   ? read_text(in, &node->text)
                   : RC_INVALID;
    case SEARCH_ONE:
        return read_some(r, depth, 1, &node->first);
    case SEARCH_TWO:
        return read_some(r, depth, 2, &node->first);
    case SEARCH_NOTHING:
        break;
    }
    return RC_OK;
}

/* Criteria up to `end` (')' or the end of the command), all of which must hold. */
static enum rc read_all(struct reader *r, unsigned depth, struct search_node *node,
                        bool parentheses)
{
    const struct search_node **tail = &node->first;

    for (;;) {
        struct search_node *child;
        enum rc rc;

        imap_parser_skip_spaces(r->in);
        rc = read_key(r, depth + 1, &child);
        if (rc != RC_OK)
            return rc;
        *tail = child;
        tail = &child->next;
        if (parentheses && imap_parser_char(r->in, ')'))
            return RC_OK;
        if (!parentheses && imap_parser_end(r->in))
            return RC_OK;
        if (!imap_parser_space(r->in))
            return RC_INVALID;
        if (parentheses && imap_parser_char(r->in, ')'))
            return RC_OK;
    }
}

static enum rc new_node(struct reader *r, unsigned depth, struct search_node **out)
{
    if (depth > SEARCH_PROGRAM_DEPTH || r->program->nodes == SEARCH_PROGRAM_NODES)
        return RC_LIMIT;
    r->program->nodes++;
    *out = arena_alloc(r->in->arena, sizeof **out);
    return RC_OK;
}

static enum rc read_key(struct reader *r, unsigned depth, struct search_node **out)
{
    enum rc rc = new_node(r, depth, out);
    struct search_node *node = *out;
    str_t word;

    if (rc != RC_OK)
        return rc;
    if (imap_parser_char(r->in, '('))
        return read_all(r, depth, node, true);
    if (r->in->p < r->in->end &&
        ((*r->in->p >= '0' && *r->in->p <= '9') || *r->in->p == '*')) {
        node->key = &numbers_key;
        return read_set(r, false, &node->set);
    }
    if (!imap_parser_atom(r->in, &word))
        return RC_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(keys) && node->key == NULL; i++)
        if (str_eq_nocase(word, str_of(keys[i].name)))
            node->key = &keys[i];
    if (node->key == NULL)
        return refuse(r->in, "unknown key");
    node->number = node->key->flag;
    if (node->key->need > SEARCH_ROW && ++r->program->reads > SEARCH_PROGRAM_READS)
        return RC_LIMIT;
    if (node->key->need > r->program->need)
        r->program->need = node->key->need;
    return read_argument(r, depth, node);
}

static enum rc read_charset(struct imap_parser *in)
{
    struct imap_parser ahead = *in;
    str_t charset;

    imap_parser_skip_spaces(&ahead);
    if (!imap_parser_word(&ahead, S("CHARSET")))
        return RC_OK;
    if (!imap_parser_space(&ahead) || !imap_parser_astring(&ahead, &charset))
        return RC_INVALID;
    if (!str_eq_nocase(charset, S("US-ASCII")) && !str_eq_nocase(charset, S("UTF-8")))
        return RC_DENIED;
    *in = ahead;
    return RC_OK;
}

enum rc search_program_read(struct imap_parser *in, struct search_limits limits,
                            struct search_program *out)
{
    struct reader r = { .in = in, .limits = limits, .program = out };
    struct search_node *root;
    enum rc rc;

    *out = (struct search_program){ 0 };
    rc = read_charset(in);
    if (rc == RC_OK && !imap_parser_space(in))
        rc = RC_INVALID;
    if (rc == RC_OK)
        rc = new_node(&r, 0, &root);
    if (rc != RC_OK)
        return rc;
    out->root = root;
    return read_all(&r, 0, root, false);
}
