/* aliases.c - names that stand for other addresses, as an operator writes them down. */
#include "account/aliases.h"

#include "account/route.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/idn.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "mail/address.h"
#include "mail/domains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES = 60 };

struct alias {
    str_t key;
    str_t *targets;
    size_t count, line;
};

struct expression {
    struct pattern *pattern;
    struct alias alias;
};

struct aliases {
    struct arena *arena;
    struct alias *alias; /* sorted by key */
    size_t count, room;
    struct expression expression[ALIASES_EXPRESSIONS_MAX]; /* in order */
    size_t expressions;
};

struct reading {
    const struct domains *domains;
    const struct aliases_senders *senders; /* NULL: they are names of ours */
    struct aliases *to;
    struct alias *last; /* which an indented line goes on with */
    size_t line;
    char *why;
};

static enum rc refuse(char *why, str_t what, const char *reason)
{
    snprintf(why, ALIASES_WHY_BYTES, "%.*s: %s",
             (int)(what.n < SHOWN_BYTES ? what.n : SHOWN_BYTES), what.p, reason);
    return RC_INVALID;
}

/* A sender's name may have an '@' in its quotes. */
static size_t find_at(str_t address)
{
    for (size_t i = address.n; i > 0; i--)
        if (address.p[i - 1] == '@')
            return i - 1;
    return SIZE_MAX;
}

static str_t local_of(str_t address)
{
    return str_head(address, find_at(address));
}

static str_t domain_of(str_t address)
{
    return str_skip(address, find_at(address) + 1);
}

static bool is_name(struct arena *a, str_t text)
{
    struct address parsed;

    return str_find_char(text, '@') == SIZE_MAX &&
           address_parse(str_of(arena_printf(a, "%.*s@x", STR_ARG(text))), ADDRESS_UTF8,
                         &parsed) == RC_OK;
}

enum rc aliases_key(const struct domains *d, struct arena *a, str_t text, str_t *out,
                    char why[ALIASES_WHY_BYTES])
{
    const struct domains_row *row;
    struct address parsed;

    if (text.n > 1 && text.p[0] == '@') {
        row = domains_find(d, str_skip(text, 1));
        if (row == NULL)
            return refuse(why, text, "is not @ and one of this server's domains");
        *out = str_of(arena_printf(a, "@%.*s", STR_ARG(row->main)));
        return RC_OK;
    }
    if (str_find_char(text, '@') == SIZE_MAX) {
        *out = arena_str_lower(a, text);
        return is_name(a, text) ? RC_OK : refuse(why, text, "is no name of an address");
    }
    if (address_parse(text, ADDRESS_UTF8, &parsed) != RC_OK)
        return refuse(why, text, "is not an address");
    if (!is_ours(d, parsed.domain))
        return refuse(why, text, "is in none of this server's domains");
    *out = domains_account_address(d, a, text);
    return RC_OK;
}

enum rc aliases_target(struct arena *a, str_t text, str_t *out,
                       char why[ALIASES_WHY_BYTES])
{
    struct address parsed;
    /* Both may begin a name; in such a file they have always meant something else. */
    bool is_file = text.n > 0 && (text.p[0] == '/' || text.p[0] == '|');

    *out = arena_str(a, text);
    if ((is_name(a, text) && !is_file) ||
        address_parse(text, ADDRESS_UTF8, &parsed) == RC_OK)
        return RC_OK;
    return refuse(why, text,
                  "is neither an address nor a name; files and commands get no mail");
}

str_t aliases_complete(struct arena *a, str_t target, str_t address)
{
    if (str_find_char(target, '@') != SIZE_MAX)
        return arena_str(a, target);
    return str_of(
        arena_printf(a, "%.*s@%.*s", STR_ARG(target), STR_ARG(domain_of(address))));
}

static bool has_group(str_t text)
{
    return str_find_char(text, '$') != SIZE_MAX;
}

/* $1 becomes what the first group fitted, $$ a dollar. */
static str_t fill_in(struct arena *a, str_t target, const str_t group[PATTERN_GROUPS])
{
    struct buf *b = arena_buf(a, target.n * ADDRESS_MAX_BYTES);

    for (size_t i = 0; i < target.n; i++) {
        char next = target.p[i] == '$' && i + 1 < target.n ? target.p[i + 1] : '\0';

        if (str_is_digit(next))
            buf_put(b, group[next - '0']);
        else
            buf_putc(b, target.p[i]);
        i += str_is_digit(next) || next == '$';
    }
    return buf_str(b);
}

/* --- senders --------------------------------------------------------------------------
 */

str_t aliases_sender_form(struct arena *a, str_t address)
{
    str_t text = address_unquote(a, address);
    struct idn_name domain;

    if (idn_to_ascii(domain_of(text), &domain) != RC_OK)
        return arena_str_lower(a, text);
    return arena_str_lower(a, str_of(arena_printf(a, "%.*s@%.*s", STR_ARG(local_of(text)),
                                                  (int)domain.n, domain.text)));
}

bool aliases_is_sender(const struct aliases_senders *s, struct arena *a, str_t address)
{
    struct route to;

    route_find(a, s->route, address, &to);
    if (to.kind != ROUTE_LOCAL)
        return to.kind == ROUTE_REMOTE;
    return (s->own[0].n > 0 && str_eq_nocase(to.address, s->own[0])) ||
           (s->own[1].n > 0 && str_eq_nocase(to.address, s->own[1]));
}

static enum rc sender_key(struct reading *r, str_t text, str_t *out)
{
    struct arena *a = r->to->arena;
    size_t at = find_at(text);
    str_t domain = domain_of(text);
    struct address parsed;

    if (at == SIZE_MAX)
        return aliases_key(r->domains, a, text, out, r->why);
    if (at == 0 && !address_is_domain(domain, ADDRESS_UTF8) &&
        !address_is_ipv4_literal(domain))
        return refuse(r->why, text, "is not @ and a domain");
    if (at > 0 && address_parse(text, ADDRESS_UTF8, &parsed) != RC_OK)
        return refuse(r->why, text, "is not an address");
    if (is_ours(r->domains, domain))
        return refuse(r->why, text,
                      "is in one of this server's domains, in whose names nobody else "
                      "sends");
    *out = aliases_sender_form(a, text);
    return RC_OK;
}

/* --- reading --------------------------------------------------------------------------
 */

/* Of a target with groups something that it could become. */
static enum rc check_sender_target(struct reading *r, bool expression, str_t text)
{
    const str_t x = S("x"), group[PATTERN_GROUPS] = { x, x, x, x, x, x, x, x, x, x };
    struct arena *a = r->to->arena;
    str_t target = text;
    enum rc rc;

    if (expression && text.n <= ADDRESS_MAX_BYTES)
        target = fill_in(a, text, group);
    rc = aliases_target(a, target, &target, r->why);
    if (rc != RC_OK || find_at(target) == SIZE_MAX ||
        aliases_is_sender(r->senders, a, target))
        return rc;
    return refuse(r->why, text,
                  "is this server's own, of which only postmaster_account and "
                  "abuse_account may stand for a sender");
}

/* What a target with groups could become is seen when it does. */
static enum rc add_target(struct reading *r, struct alias *to, bool expression,
                          str_t text)
{
    enum rc rc = RC_OK;

    if (r->senders != NULL && to->count == 1)
        return refuse(r->why, text, "is one too many; a sender is replaced by one");
    if (to->count == ALIASES_TARGETS_MAX)
        return refuse(r->why, text, "is one too many; a name stands for 1000 at most");
    if (r->senders != NULL)
        rc = check_sender_target(r, expression, text);
    if (rc != RC_OK)
        return rc;
    if (expression && has_group(text)) {
        to->targets[to->count++] = arena_str(r->to->arena, text);
        return RC_OK;
    }
    return aliases_target(r->to->arena, text, &to->targets[to->count++], r->why);
}

static enum rc add_targets(struct reading *r, struct alias *to, bool expression,
                           str_t text)
{
    size_t commas = 1;
    str_t *grown, one;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < text.n; i++)
        commas += text.p[i] == ',';
    grown = arena_array(r->to->arena, to->count + commas, sizeof(*grown));
    if (to->count > 0)
        memcpy(grown, to->targets, to->count * sizeof(*grown));
    to->targets = grown;
    while (rc == RC_OK && str_split(&text, ',', &one)) {
        one = str_trim(one);
        if (one.n > 0)
            rc = add_target(r, to, expression, one);
    }
    return rc;
}

/* Where the expression ends that text begins with; SIZE_MAX: nowhere. */
static size_t end_of_expression(str_t text)
{
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == '/')
            return i;
    }
    return SIZE_MAX;
}

static enum rc compile(struct reading *r, str_t text, struct pattern **out)
{
    char reason[ALIASES_WHY_BYTES / 2];

    if (r->to->expressions == ALIASES_EXPRESSIONS_MAX)
        return refuse(r->why, text, "is one expression too many; there may be 100");
    if (pattern_new(text, out, reason, sizeof(reason)) == RC_OK)
        return RC_OK;
    return refuse(r->why, text, reason);
}

static enum rc add_expression(struct reading *r, str_t line)
{
    size_t end = end_of_expression(line);
    str_t rest = str_trim(str_skip(line, end == SIZE_MAX ? line.n : end + 1));
    struct expression *x = &r->to->expression[r->to->expressions];
    enum rc rc;

    if (end == SIZE_MAX || rest.n == 0 || rest.p[0] != ':')
        return refuse(r->why, line, "is not /expression/: targets");
    rc = compile(r, str_n(line.p + 1, end - 1), &x->pattern);
    if (rc != RC_OK)
        return rc;
    r->to->expressions++;
    x->alias = (struct alias){ .line = r->line };
    r->last = &x->alias;
    return add_targets(r, &x->alias, true, str_skip(rest, 1));
}

static struct alias *new_alias(struct aliases *to)
{
    if (to->count == to->room) {
        size_t room = to->room == 0 ? 64 : 2 * to->room;
        struct alias *larger = arena_array(to->arena, room, sizeof(*larger));

        if (to->count > 0)
            memcpy(larger, to->alias, to->count * sizeof(*larger));
        to->alias = larger;
        to->room = room;
    }
    return &to->alias[to->count++];
}

static enum rc add_line(struct reading *r, str_t line)
{
    size_t colon = str_find_char(line, ':');
    struct alias *to;
    str_t key;
    enum rc rc;

    if (line.p[0] == '/')
        return add_expression(r, line);
    if (colon == SIZE_MAX)
        return refuse(r->why, line, "is not name: targets");
    to = new_alias(r->to);
    to->line = r->line;
    r->last = to;
    key = str_trim(str_head(line, colon));
    rc = r->senders != NULL
             ? sender_key(r, key, &to->key)
             : aliases_key(r->domains, r->to->arena, key, &to->key, r->why);
    return rc == RC_OK ? add_targets(r, to, false, str_skip(line, colon + 1)) : rc;
}

static bool is_expression(const struct reading *r, const struct alias *alias)
{
    return r->to->expressions > 0 &&
           alias == &r->to->expression[r->to->expressions - 1].alias;
}

static enum rc check_last(struct reading *r)
{
    if (r->last == NULL || r->last->count > 0)
        return RC_OK;
    r->line = r->last->line;
    return refuse(r->why, r->last->key, "stands for nothing");
}

static enum rc read_line(struct reading *r, str_t line)
{
    bool goes_on = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
    str_t text = str_trim(line);
    size_t at = r->line;
    enum rc rc;

    if (text.n == 0 || text.p[0] == '#')
        return RC_OK;
    if (goes_on && r->last != NULL)
        return add_targets(r, r->last, is_expression(r, r->last), text);
    rc = check_last(r);
    if (rc != RC_OK)
        return rc;
    r->line = at;
    return add_line(r, text);
}

static int compare_key(const void *x, const void *y)
{
    const struct alias *a = x, *b = y;

    return str_compare(a->key, b->key);
}

/* The later of two lines is the wrong one. */
static enum rc sort(struct reading *r)
{
    struct aliases *l = r->to;

    if (l->count > 1)
        qsort(l->alias, l->count, sizeof(*l->alias), compare_key);
    for (size_t i = 1; i < l->count; i++)
        if (str_eq(l->alias[i - 1].key, l->alias[i].key)) {
            size_t x = l->alias[i - 1].line, y = l->alias[i].line;

            r->line = x > y ? x : y;
            return refuse(r->why, l->alias[i].key, "stands there twice");
        }
    return RC_OK;
}

/* An option's rows may have blanks before them; only a file's lines go on. */
static bool next_line(str_t *rest, char separator, str_t *line)
{
    if (!str_split(rest, separator, line))
        return false;
    if (separator != '\n')
        *line = str_trim(*line);
    return true;
}

static enum rc parse(struct reading *how, str_t text, char separator,
                     struct aliases **out, size_t *line)
{
    struct aliases *l = mem_alloc(sizeof(*l));
    struct reading r = *how;
    char *why = r.why;
    enum rc rc = RC_OK;
    str_t one;

    r.to = l;
    why[0] = '\0';
    l->arena = arena_new();
    if (text.n > ALIASES_MAX_BYTES)
        rc = refuse(why, S("the list"), "is longer than 16 MB");
    while (rc == RC_OK && next_line(&text, separator, &one)) {
        r.line++;
        rc = r.line > ALIASES_LINES_MAX ? refuse(why, one, "is one line too many")
                                        : read_line(&r, one);
    }
    if (rc == RC_OK)
        rc = check_last(&r);
    if (rc == RC_OK)
        rc = sort(&r);
    *line = r.line;
    if (rc != RC_OK)
        aliases_free(&l);
    *out = l;
    return rc;
}

enum rc aliases_parse(const struct domains *d, str_t text, char separator,
                      struct aliases **out, size_t *line, char why[ALIASES_WHY_BYTES])
{
    struct reading r = { .domains = d, .why = why };

    return parse(&r, text, separator, out, line);
}

enum rc aliases_parse_senders(const struct aliases_senders *s, str_t text,
                              struct aliases **out, size_t *line,
                              char why[ALIASES_WHY_BYTES])
{
    struct reading r = { .domains = s->route->domains, .senders = s, .why = why };

    return parse(&r, text, ';', out, line);
}

void aliases_free(struct aliases **pl)
{
    struct aliases *l = *pl;

    if (l == NULL)
        return;
    for (size_t i = 0; i < l->expressions; i++)
        pattern_free(&l->expression[i].pattern);
    arena_free(&l->arena);
    mem_free(l);
    *pl = NULL;
}

/* --- looking --------------------------------------------------------------------------
 */

static const struct alias *find(const struct aliases *l, str_t key)
{
    struct alias wanted = { .key = key };

    if (l->count == 0 || key.n == 0)
        return NULL;
    return bsearch(&wanted, l->alias, l->count, sizeof(*l->alias), compare_key);
}

static size_t complete(struct arena *a, const struct alias *found, str_t address,
                       const str_t **out)
{
    str_t *to;

    if (found == NULL)
        return 0;
    to = arena_array(a, found->count, sizeof(*to));
    for (size_t i = 0; i < found->count; i++)
        to[i] = aliases_complete(a, found->targets[i], address);
    *out = to;
    return found->count;
}

static size_t apply(const struct expression *x, struct arena *a, str_t address,
                    const str_t group[PATTERN_GROUPS], const str_t **out)
{
    str_t *to = arena_array(a, x->alias.count + 1, sizeof(*to));
    char ignored[ALIASES_WHY_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < x->alias.count; i++) {
        str_t text = x->alias.targets[i];

        if (has_group(text))
            text = fill_in(a, text, group);
        if (aliases_target(a, text, &to[n], ignored) == RC_OK) {
            to[n] = aliases_complete(a, to[n], address);
            n++;
        }
    }
    *out = to;
    return n;
}

static size_t find_by_expression(const struct aliases *l, struct arena *a, str_t address,
                                 const str_t **out)
{
    str_t group[PATTERN_GROUPS];

    if (address.n > ADDRESS_MAX_BYTES)
        return 0;
    for (size_t i = 0; i < l->expressions; i++)
        if (pattern_fits(l->expression[i].pattern, address, group))
            return apply(&l->expression[i], a, address, group, out);
    return 0;
}

size_t aliases_find(const struct aliases *l, struct arena *a, str_t address,
                    const str_t **out)
{
    size_t n = complete(a, find(l, address), address, out);

    if (n == 0)
        n = find_by_expression(l, a, address, out);
    return n > 0 ? n : complete(a, find(l, local_of(address)), address, out);
}

size_t aliases_find_rest(const struct aliases *l, struct arena *a, str_t address,
                         const str_t **out)
{
    return complete(a, find(l, str_skip(address, local_of(address).n)), address, out);
}

size_t aliases_count(const struct aliases *l)
{
    return l->count + l->expressions;
}
