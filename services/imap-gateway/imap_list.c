/* imap_list.c - LIST and LSUB: patterns, options, attributes. */
#include "imap_list.h"

#include "imap_reply.h"
#include "imap_status.h"
#include "imap_use.h"

#include "base/arena.h"
#include "base/buf.h"
#include "store/store_mailbox.h"

#include <stdlib.h>

struct entry {
    str_t wire;                      /* the name as patterns see it */
    const struct store_mailbox *box; /* NULL: only mailboxes below it are there */
    bool children;
    bool stands_for; /* LSUB: a subscribed one below it, which the pattern does not reach
                      */
};

/* -- reading -- */

static bool selection_option(struct imap_list_request *r, str_t word)
{
    if (str_eq_nocase(word, S("SUBSCRIBED"))) {
        r->only_subscribed = r->show_subscribed = true;
        return true;
    }
    if (str_eq_nocase(word, S("SPECIAL-USE"))) {
        r->only_special = true;
        return true;
    }
    return str_eq_nocase(word, S("REMOTE"));
}

static bool return_option(struct imap_parser *in, struct imap_list_request *r, str_t word)
{
    if (str_eq_nocase(word, S("SUBSCRIBED"))) {
        r->show_subscribed = true;
        return true;
    }
    if (str_eq_nocase(word, S("STATUS")))
        return imap_parser_space(in) && imap_status_items(in, &r->status_items);
    return str_eq_nocase(word, S("CHILDREN")) || str_eq_nocase(word, S("SPECIAL-USE"));
}

static bool selection_options(struct imap_parser *in, struct imap_list_request *r)
{
    str_t word;

    if (!imap_parser_char(in, '('))
        return true;
    while (imap_parser_atom(in, &word)) {
        if (!selection_option(r, word))
            return false;
        imap_parser_skip_spaces(in);
    }
    return imap_parser_char(in, ')') && imap_parser_space(in);
}

static bool return_options(struct imap_parser *in, struct imap_list_request *r)
{
    str_t word;

    if (imap_parser_end(in))
        return true;
    if (!imap_parser_space(in) || !imap_parser_word(in, S("RETURN")) ||
        !imap_parser_space(in) || !imap_parser_char(in, '('))
        return false;
    while (imap_parser_atom(in, &word)) {
        if (!return_option(in, r, word))
            return false;
        imap_parser_skip_spaces(in);
    }
    return imap_parser_char(in, ')') && imap_parser_end(in);
}

static bool patterns(struct imap_parser *in, struct imap_list_request *r)
{
    str_t pattern;

    if (!imap_parser_char(in, '(')) {
        r->pattern_count = 1;
        return imap_parser_pattern(in, &r->patterns[0]);
    }
    imap_parser_skip_spaces(in);
    while (imap_parser_pattern(in, &pattern)) {
        if (r->pattern_count == IMAP_LIST_PATTERNS)
            return imap_parser_refuse(in, "LIMIT", "too many patterns");
        r->patterns[r->pattern_count++] = pattern;
        imap_parser_skip_spaces(in);
    }
    return r->pattern_count > 0 && imap_parser_char(in, ')');
}

/* Once here and not for each name, and only what is short enough. */
static bool put_before(struct imap_parser *in, str_t reference,
                       struct imap_list_request *r)
{
    size_t bytes = 0;

    for (size_t i = 0; i < r->pattern_count; i++)
        bytes += reference.n + r->patterns[i].n;
    if (bytes > IMAP_LIST_BYTES)
        return imap_parser_refuse(in, "LIMIT", "reference and patterns are too long");
    for (size_t i = 0; i < r->pattern_count; i++) {
        str_t *pattern = &r->patterns[i];

        if (reference.n > 0)
            *pattern = str_of(arena_printf(in->arena, "%.*s%.*s", STR_ARG(reference),
                                           STR_ARG(*pattern)));
        if (str_eq_nocase(*pattern, S("INBOX")))
            *pattern = S("INBOX");
    }
    return true;
}

bool imap_list_read(struct imap_cmd *cmd, struct imap_list_request *out)
{
    struct imap_parser *in = &cmd->args;
    str_t reference;

    *out = (struct imap_list_request){ 0 };
    if (!imap_parser_space(in) || !selection_options(in, out) ||
        !imap_parser_astring(in, &reference) || !imap_parser_space(in) ||
        !patterns(in, out) || !return_options(in, out))
        return false;
    out->only_separator = out->pattern_count == 1 && out->patterns[0].n == 0;
    return put_before(in, reference, out);
}

/* -- answering -- */

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = str_compare(x->wire, y->wire);

    /* Of two with one name, the one that is a mailbox comes first and stays. */
    return order != 0 ? order : (x->box == NULL) - (y->box == NULL);
}

static bool is_below(str_t name, str_t above)
{
    return name.n > above.n && name.p[above.n] == IMAP_NAME_SEPARATOR &&
           str_starts(name, above);
}

/* Every mailbox and every level above one, sorted, each once. */
static size_t collect(struct arena *a, const struct store_mailbox *boxes, size_t n,
                      struct entry **out)
{
    size_t count = 0, kept = 0;
    struct entry *e = arena_array(a, n * IMAP_NAME_LEVELS + 1, sizeof *e);

    for (size_t i = 0; i < n; i++) {
        str_t wire = imap_name_encode(a, boxes[i].name);
        size_t levels = 1;

        e[count++] = (struct entry){ .wire = wire, .box = &boxes[i] };
        for (size_t at = 1; at < wire.n && levels < IMAP_NAME_LEVELS; at++)
            if (wire.p[at] == IMAP_NAME_SEPARATOR) {
                e[count++] = (struct entry){ .wire = str_head(wire, at) };
                levels++;
            }
    }
    if (count > 1)
        qsort(e, count, sizeof *e, by_name);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !str_eq(e[kept - 1].wire, e[i].wire))
            e[kept++] = e[i];
    for (size_t i = 0; i < kept; i++)
        for (size_t k = i + 1; k < kept && str_starts(e[k].wire, e[i].wire); k++)
            if (is_below(e[k].wire, e[i].wire)) {
                e[i].children = true;
                break;
            }
    *out = e;
    return kept;
}

static bool matches(const struct imap_list_request *r, str_t wire)
{
    for (size_t i = 0; i < r->pattern_count; i++)
        if (imap_name_match(r->patterns[i], wire))
            return true;
    return false;
}

static bool is_subscribed(const struct entry *e)
{
    return e->box != NULL && e->box->subscribed;
}

static int by_wire(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return str_compare(x->wire, y->wire);
}

/* RFC 3501 6.3.9: where "%" stops above a name that is subscribed, the level at which it
 * stops is told instead. */
static void mark_levels(const struct imap_list_request *r, struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_subscribed(&e[i]) || matches(r, e[i].wire))
            continue;
        for (size_t at = 1; at < e[i].wire.n; at++) {
            struct entry level = { .wire = str_head(e[i].wire, at) }, *found;

            if (e[i].wire.p[at] != IMAP_NAME_SEPARATOR)
                continue;
            found = bsearch(&level, e, n, sizeof *e, by_wire);
            if (found != NULL)
                found->stands_for = true;
        }
    }
}

static bool is_wanted(const struct imap_list_request *r, const struct entry *e)
{
    if (r->only_subscribed && !is_subscribed(e) && !e->stands_for)
        return false;
    if (r->only_special && (e->box == NULL || e->box->use == STORE_MAILBOX_USE_NONE))
        return false;
    return matches(r, e->wire);
}

static void tell_lsub(struct buf *out, const struct entry *e)
{
    imap_reply_text(out, "* LSUB (%s) \"%c\" ", is_subscribed(e) ? "" : "\\Noselect",
                    IMAP_NAME_SEPARATOR);
    imap_reply_string(out, e->wire);
    imap_reply_end(out);
}

static void tell(struct imap_cmd *cmd, const struct imap_list_request *r,
                 const struct entry *e)
{
    struct buf *out = cmd->out;

    if (r->lsub) {
        tell_lsub(out, e);
        return;
    }
    imap_reply_text(out, "* LIST (%s", e->children ? "\\HasChildren" : "\\HasNoChildren");
    if (e->box == NULL)
        imap_reply_text(out, " \\Noselect");
    else if (e->box->use != STORE_MAILBOX_USE_NONE)
        imap_reply_text(out, " %s", imap_use_flag(e->box->use));
    if (r->show_subscribed && e->box != NULL && e->box->subscribed)
        imap_reply_text(out, " \\Subscribed");
    imap_reply_text(out, ") \"%c\" ", IMAP_NAME_SEPARATOR);
    imap_reply_string(out, e->wire);
    imap_reply_end(out);
}

static enum rc tell_status(struct imap_cmd *cmd, const struct imap_list_request *r,
                           const struct entry *e)
{
    struct store_mailbox_counts counts;
    enum rc rc;

    if (r->status_items == 0 || e->box == NULL)
        return RC_OK;
    rc = store_mailbox_counts(cmd->db, e->box->id, &counts);
    if (rc == RC_OK)
        imap_status_line(cmd->out, cmd->arena, e->box->name, r->status_items, &counts);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc imap_list_run(struct imap_cmd *cmd, const struct imap_list_request *r)
{
    struct store_mailbox *boxes;
    struct entry *entries;
    size_t n;
    enum rc rc;

    if (r->only_separator) {
        imap_reply_untagged(cmd->out, "%s (\\Noselect) \"%c\" \"\"",
                            r->lsub ? "LSUB" : "LIST", IMAP_NAME_SEPARATOR);
        return RC_OK;
    }
    rc = store_mailbox_list(cmd->arena, cmd->db, cmd->session->account, &boxes, &n);
    if (rc != RC_OK)
        return rc;
    n = collect(cmd->arena, boxes, n, &entries);
    if (r->lsub)
        mark_levels(r, entries, n);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        if (!is_wanted(r, &entries[i]))
            continue;
        tell(cmd, r, &entries[i]);
        rc = tell_status(cmd, r, &entries[i]);
    }
    return rc;
}
