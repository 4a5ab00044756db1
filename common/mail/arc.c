/* arc.c - count the sets and read the last seal. */
#include "mail/arc.h"

#include "base/arena.h"
#include "mail/dkim_tags.h"
#include "mail/header.h"

/* The fields of a set. */
enum { RESULTS, SIGNATURE, SEAL, KINDS };

static const str_t names[KINDS] = {
    [RESULTS] = STR("ARC-Authentication-Results"),
    [SIGNATURE] = STR("ARC-Message-Signature"),
    [SEAL] = STR("ARC-Seal"),
};

struct chain {
    bool seen[KINDS][ARC_SETS_MAX + 1]; /* by instance */
    bool claims[ARC_SETS_MAX + 1];      /* its seal says pass, or, of the first, none */
    unsigned count[KINDS];
};

/* 0: it is no instance. */
static unsigned number(str_t text)
{
    unsigned n = 0;

    if (text.n == 0 || text.n > 2 || text.p[0] == '0')
        return 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0;
        n = n * 10 + (unsigned)(text.p[i] - '0');
    }
    return n <= ARC_SETS_MAX ? n : 0;
}

static str_t tag(const struct dkim_tags *tags, const char *name)
{
    const struct dkim_tag *found = dkim_tags_find(tags, str_of(name));

    return found != NULL ? found->value : S("");
}

/* The results of a host begin with the instance, and are no list of tags behind it. */
static unsigned results_instance(str_t value)
{
    size_t end = str_find(value, S(";"));
    struct dkim_tags tags;

    if (end == SIZE_MAX || dkim_tags_parse(str_head(value, end), &tags) != RC_OK)
        return 0;
    return number(tag(&tags, "i"));
}

static bool take(struct chain *c, int kind, str_t value)
{
    struct dkim_tags tags;
    unsigned i;

    c->count[kind]++;
    if (kind == RESULTS) {
        i = results_instance(value);
    } else {
        if (dkim_tags_parse(value, &tags) != RC_OK)
            return false;
        i = number(tag(&tags, "i"));
    }
    if (i == 0 || c->seen[kind][i])
        return false;
    c->seen[kind][i] = true;
    if (kind == SEAL)
        c->claims[i] = str_eq(tag(&tags, "cv"), i == 1 ? S("none") : S("pass"));
    return kind != SEAL || c->claims[i] || str_eq(tag(&tags, "cv"), S("fail"));
}

/* As many of each kind, none twice, so they are 1 to that number if the last is there. */
static bool is_chain(const struct chain *c)
{
    unsigned n = c->count[SEAL];

    for (int kind = 0; kind < KINDS; kind++) {
        if (c->count[kind] != n)
            return false;
        for (unsigned i = 1; i <= n; i++)
            if (!c->seen[kind][i])
                return false;
    }
    return true;
}

struct arc arc_read(struct arena *a, str_t message)
{
    struct chain *c = arena_alloc(a, sizeof(*c));
    struct header_field field;
    struct header_iter it;
    unsigned fields = 0;

    header_init(&it, message);
    while (header_next(&it, &field)) {
        for (int kind = 0; kind < KINDS; kind++) {
            if (!str_eq_nocase(field.name, names[kind]))
                continue;
            fields++;
            if (!take(c, kind, field.value))
                return (struct arc){ .state = ARC_BROKEN };
        }
    }
    if (fields == 0)
        return (struct arc){ .state = ARC_NONE };
    if (!is_chain(c))
        return (struct arc){ .state = ARC_BROKEN };
    return (struct arc){ .state = c->claims[c->count[SEAL]] ? ARC_PASS : ARC_FAIL,
                         .sets = c->count[SEAL] };
}

const char *arc_state_name(enum arc_state s)
{
    static const char *const words[] = { [ARC_NONE] = "none",
                                         [ARC_PASS] = "pass",
                                         [ARC_FAIL] = "fail",
                                         [ARC_BROKEN] = "broken" };

    return words[s];
}
