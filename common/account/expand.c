/* expand.c - who gets the mail for an address: what aliases make of it in the end. */
#include "account/expand.h"

#include "account/alias_book.h"
#include "account/aliases.h"
#include "account/route.h"
#include "base/arena.h"
#include "base/log.h"
#include "store/store_account.h"
#include "store/store_alias.h"

#include <stdlib.h>
#include <string.h>

enum { NO_PARENT = -1, STEP_MAX = 4096 };

enum state {
    OPEN,     /* is looked up with the next step */
    EXPANDED, /* stands for others */
    REACHED,  /* an account, or elsewhere */
    LOST,     /* nobody has it */
};

struct node {
    str_t text;    /* as it was given, or as a target says */
    str_t address; /* in the form of struct route */
    size_t root;   /* which of the addresses that were asked for */
    int parent;
    int depth;
    enum state state;
    bool is_own; /* the account, whatever aliases say */
    bool takes_clear_text, leaves;
};

struct run {
    struct arena *arena;
    struct db *db;
    const struct expand_rules *rules;
    struct alias_book_view view;
    struct node *node;
    size_t count, room, most;
    struct expand *out;
};

static void add(struct run *r, struct node n)
{
    if (r->count == r->room) {
        size_t room = 2 * r->room;
        struct node *larger = arena_array(r->arena, room, sizeof(*larger));

        memcpy(larger, r->node, r->count * sizeof(*larger));
        r->node = larger;
        r->room = room;
    }
    r->node[r->count++] = n;
}

static void add_targets(struct run *r, size_t at, const str_t *targets, size_t n)
{
    struct node child = { .root = r->node[at].root,
                          .parent = (int)at,
                          .depth = r->node[at].depth + 1 };

    r->out[child.root].is_alias = true;
    if (child.depth > EXPAND_DEPTH_MAX || r->count + n > r->most) {
        r->out[child.root].loops = true;
        r->node[at].state = LOST;
        return;
    }
    r->node[at].state = EXPANDED;
    for (size_t i = 0; i < n; i++) {
        child.text = targets[i];
        add(r, child);
    }
}

/* What stands for itself is its own account; what stands for one before it is a loop. */
static void look_back(struct run *r, struct node *n)
{
    int at = n->parent;

    if (at == NO_PARENT)
        return;
    n->is_own = str_eq(r->node[at].address, n->address);
    for (at = r->node[at].parent; at != NO_PARENT; at = r->node[at].parent)
        if (str_eq(r->node[at].address, n->address)) {
            r->out[n->root].loops = true;
            n->state = LOST;
        }
}

static size_t find_in_book(struct run *r, str_t address, bool rest, const str_t **out)
{
    const struct aliases *lists[] = { r->view.of_option, r->view.of_file };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(lists) && n == 0; i++)
        if (lists[i] != NULL)
            n = rest ? aliases_find_rest(lists[i], r->arena, address, out)
                     : aliases_find(lists[i], r->arena, address, out);
    return n;
}

/* What can be said without the database. */
static void place(struct run *r, size_t at)
{
    struct node *n = &r->node[at];
    const str_t *targets;
    struct route route;
    size_t count;

    route_find(r->arena, r->rules->route, n->text, &route);
    n->address = route.address;
    if (route.kind != ROUTE_LOCAL) {
        n->leaves = route.kind == ROUTE_REMOTE;
        n->state = n->leaves ? REACHED : LOST;
        return;
    }
    look_back(r, n);
    if (n->state != OPEN || n->is_own)
        return;
    count = find_in_book(r, n->address, false, &targets);
    if (count > 0)
        add_targets(r, at, targets, count);
}

static str_t local_of(str_t address)
{
    return str_head(address, str_find_char(address, '@'));
}

static str_t rest_of(str_t address)
{
    return str_skip(address, local_of(address).n);
}

static int compare_alias(const void *x, const void *y)
{
    const struct store_alias *a = x, *b = y;

    return str_compare(a->key, b->key);
}

static const struct store_alias *find_alias(const struct store_alias_known *k, str_t text)
{
    struct store_alias key = { .key = text };

    if (k->aliases == 0)
        return NULL;
    return bsearch(&key, k->alias, k->aliases, sizeof(key), compare_alias);
}

static int compare_account(const void *x, const void *y)
{
    const struct store_alias_account *a = x, *b = y;

    return str_compare(a->address, b->address);
}

static const struct store_alias_account *find_account(const struct store_alias_known *k,
                                                      str_t address)
{
    struct store_alias_account key = { .address = address };

    if (k->accounts == 0)
        return NULL;
    return bsearch(&key, k->account, k->accounts, sizeof(key), compare_account);
}

static void complete(struct run *r, size_t at, const struct store_alias *alias)
{
    str_t *targets = arena_array(r->arena, alias->target_count, sizeof(*targets));

    for (size_t i = 0; i < alias->target_count; i++)
        targets[i] = aliases_complete(r->arena, alias->targets[i], r->node[at].address);
    add_targets(r, at, targets, alias->target_count);
}

static void settle(struct run *r, size_t at, const struct store_alias_known *known)
{
    struct node *n = &r->node[at];
    const struct store_alias_account *account = find_account(known, n->address);
    const struct store_alias *alias = NULL;
    const str_t *targets;
    size_t count = 0;

    if (!n->is_own) {
        alias = find_alias(known, n->address);
        if (alias == NULL)
            alias = find_alias(known, local_of(n->address));
        /* Mail for an account that is shut is nobody else's. */
        if (alias == NULL && account == NULL) {
            count = find_in_book(r, n->address, true, &targets);
            alias = count > 0 ? NULL : find_alias(known, rest_of(n->address));
        }
    }
    n->state = LOST;
    if (alias != NULL) {
        complete(r, at, alias);
    } else if (count > 0) {
        add_targets(r, at, targets, count);
    } else if (account != NULL && account->state == STORE_ACCOUNT_ACTIVE) {
        n->state = REACHED;
        n->takes_clear_text = (account->flags & STORE_ACCOUNT_ACCEPT_CLEARTEXT) != 0;
    }
}

/* All that is open, from one place to another, with one statement. */
static enum rc ask(struct run *r, size_t from, size_t to)
{
    str_t *addresses = arena_array(r->arena, to - from, sizeof(*addresses));
    str_t *keys = arena_array(r->arena, 3 * (to - from), sizeof(*keys));
    struct store_alias_known known;
    size_t n = 0, k = 0;
    enum rc rc;

    for (size_t i = from; i < to; i++) {
        if (r->node[i].state != OPEN)
            continue;
        addresses[n++] = r->node[i].address;
        if (r->node[i].is_own)
            continue;
        keys[k++] = r->node[i].address;
        keys[k++] = local_of(r->node[i].address);
        keys[k++] = rest_of(r->node[i].address);
    }
    if (n == 0)
        return RC_OK;
    rc = store_alias_resolve(r->arena, r->db, addresses, n, keys, k, &known);
    if (rc != RC_OK)
        return rc;
    if (known.accounts > 1)
        qsort(known.account, known.accounts, sizeof(*known.account), compare_account);
    if (known.aliases > 1)
        qsort(known.alias, known.aliases, sizeof(*known.alias), compare_alias);
    for (size_t i = from; i < to; i++)
        if (r->node[i].state == OPEN)
            settle(r, i, &known);
    return RC_OK;
}

static enum rc walk(struct run *r)
{
    enum rc rc = RC_OK;

    for (size_t from = 0, to; from < r->count && rc == RC_OK; from = to) {
        to = r->count - from > STEP_MAX ? from + STEP_MAX : r->count;
        for (size_t i = from; i < to; i++)
            place(r, i);
        rc = ask(r, from, to);
    }
    return rc;
}

static int compare_text(const void *x, const void *y)
{
    return str_compare(*(const str_t *)x, *(const str_t *)y);
}

static size_t unique(str_t *list, size_t n)
{
    size_t kept = 0;

    if (n > 1)
        qsort(list, n, sizeof(*list), compare_text);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    return kept;
}

/* The ends of one root, those of one state. */
static size_t ends(const struct run *r, size_t root, enum state state, str_t *to)
{
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        if (r->node[i].root == root && r->node[i].state == state)
            to[n++] = r->node[i].text;
    return unique(to, n);
}

static void conclude(struct run *r, size_t root)
{
    struct expand *x = &r->out[root];
    str_t *targets;

    if (!x->is_alias) {
        x->targets = &r->node[root].text;
        x->reached = r->node[root].state == REACHED;
        x->is_unsure = r->view.waits && x->reached == 0;
        x->count = 1;
        x->takes_clear_text = r->node[root].takes_clear_text;
        x->leaves = r->node[root].leaves;
        return;
    }
    targets = arena_array(r->arena, r->count, sizeof(*targets));
    if (x->loops)
        log_error("aliases.loop", "alias=%.*s", STR_ARG(r->node[root].address));
    x->targets = targets;
    x->reached = ends(r, root, REACHED, targets);
    x->count = x->reached + ends(r, root, LOST, targets + x->reached);
    x->takes_clear_text = x->reached > 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->node[i].root == root && r->node[i].state == REACHED) {
            x->takes_clear_text &= r->node[i].takes_clear_text;
            x->leaves |= r->node[i].leaves;
        }
}

enum rc expand_each(struct arena *a, struct db *db, const struct expand_rules *rules,
                    const str_t *addresses, size_t n, struct expand *out)
{
    struct run r = { .arena = a,
                     .db = db,
                     .rules = rules,
                     .out = out,
                     .room = n + 1,
                     .most = n + EXPAND_MAX };
    enum rc rc;

    r.node = arena_array(a, r.room, sizeof(*r.node));
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct expand){ .count = 0 };
        add(&r, (struct node){ .text = addresses[i], .root = i, .parent = NO_PARENT });
    }
    if (rules->book != NULL)
        alias_book_take(rules->book, &r.view);
    rc = walk(&r);
    for (size_t i = 0; i < n && rc == RC_OK; i++)
        conclude(&r, i);
    if (rules->book != NULL)
        alias_book_give_back(rules->book, &r.view);
    return rc;
}

enum rc expand_list(struct arena *a, struct db *db, const struct expand_rules *rules,
                    const str_t *addresses, size_t n, struct expand *out, str_t **list,
                    size_t *count)
{
    str_t *to = arena_array(a, n + EXPAND_MAX, sizeof(*to));
    enum rc rc = expand_each(a, db, rules, addresses, n, out);
    size_t aliases = 0;

    *list = to;
    *count = 0;
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        out[i].is_alias &= !out[i].loops;
        aliases += out[i].is_alias;
        for (size_t k = 0; out[i].is_alias && k < out[i].count; k++)
            to[(*count)++] = out[i].targets[k];
        if (!out[i].is_alias)
            to[(*count)++] = addresses[i];
    }
    return aliases > 0 ? RC_OK : RC_NOT_FOUND;
}

bool expand_has_book(const struct expand_rules *r)
{
    struct alias_book_view view;
    bool has;

    if (r->book == NULL)
        return false;
    alias_book_take(r->book, &view);
    has = view.waits || (view.of_option != NULL && aliases_count(view.of_option) > 0) ||
          (view.of_file != NULL && aliases_count(view.of_file) > 0);
    alias_book_give_back(r->book, &view);
    return has;
}
