/* policy.c - what follows when a check finds something wrong. */
#include "svc/policy.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

static const char *const names[POLICY_ACTIONS] = {
    [POLICY_OFF] = "off",
    [POLICY_IGNORE] = "ignore",
    [POLICY_QUARANTINE] = "quarantine",
    [POLICY_REJECT] = "reject",
};

const char *policy_action_name(enum policy_action action)
{
    CHECK(action < POLICY_ACTIONS);
    return names[action];
}

static bool action_of(str_t word, enum policy_action *out)
{
    for (int i = 0; i < POLICY_ACTIONS; i++) {
        if (str_eq_nocase(word, str_of(names[i]))) {
            *out = (enum policy_action)i;
            return true;
        }
    }
    *out = str_eq_nocase(word, S("true")) ? POLICY_REJECT : POLICY_OFF;
    return *out == POLICY_REJECT || str_eq_nocase(word, S("false"));
}

/* The first word of *rest, which is then what follows it. */
static str_t take_word(str_t *rest)
{
    size_t n = 0;
    str_t word;

    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    word = str_head(*rest, n);
    *rest = str_trim(str_skip(*rest, n));
    return word;
}

/* "5.7.1": its class, or 0.  RFC 3463 2. */
static int class_of(str_t word)
{
    str_t rest = word, part;
    uint64_t number, first = 0;
    int parts = 0;

    while (str_split(&rest, '.', &part)) {
        if (part.n > 3 || !str_to_u64(part, 999, &number))
            return 0;
        if (parts++ == 0)
            first = number;
    }
    return parts == 3 && word.p[word.n - 1] != '.' && (first == 4 || first == 5)
               ? (int)first
               : 0;
}

static bool is_printable(str_t text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > '~')
            return false;
    return true;
}

/* What stands behind `reject`: a code is a word of three digits, an enhanced code may
 * only follow it, the rest is the text. */
static enum rc parse_reply(struct arena *a, str_t rest, struct policy *out,
                           const char **why)
{
    str_t text = rest, word = take_word(&rest);
    uint64_t code;
    int class;

    if (word.n == 3 && str_to_u64(word, 999, &code)) {
        *why = "a code must be one of 450 to 599";
        if (code < POLICY_CODE_MIN || code > POLICY_CODE_MAX)
            return RC_INVALID;
        out->code = (int)code;
        text = rest;
        word = take_word(&rest);
        class = class_of(word);
        *why = "the enhanced code must begin with the code's first digit";
        if (class != 0 && class != out->code / 100)
            return RC_INVALID;
        if (class != 0) {
            out->enhanced = arena_cstr(a, word);
            text = rest;
        }
    }
    *why = "the text must be at most 200 printable ASCII characters";
    if (text.n > POLICY_TEXT_MAX || !is_printable(text))
        return RC_INVALID;
    if (text.n > 0)
        out->text = arena_cstr(a, text);
    return RC_OK;
}

enum rc policy_parse(struct arena *a, str_t text, struct policy *out, const char **why)
{
    str_t rest = str_trim(text);

    *out = (struct policy){ .action = POLICY_OFF };
    *why = "must be off, ignore, quarantine or reject [code [enhanced code] [text]]";
    if (!action_of(take_word(&rest), &out->action))
        return RC_INVALID;
    if (out->action == POLICY_REJECT)
        return parse_reply(a, rest, out, why);
    *why = "only reject has a code and a text";
    return rest.n == 0 ? RC_OK : RC_INVALID;
}

void policy_format(const struct policy *p, struct buf *to)
{
    buf_puts(to, policy_action_name(p->action));
    if (p->code != 0)
        buf_printf(to, " %d", p->code);
    if (p->enhanced != NULL)
        buf_printf(to, " %s", p->enhanced);
    if (p->text != NULL)
        buf_printf(to, " %s", p->text);
}

struct policy policy_reply(struct arena *a, const struct policy *p, int code,
                           const char *enhanced, const char *text)
{
    struct policy reply = { .action = p->action,
                            .code = code,
                            .enhanced = enhanced,
                            .text = p->text != NULL ? p->text : text };

    if (p->code != 0)
        reply.code = p->code;
    if (p->enhanced != NULL)
        reply.enhanced = p->enhanced;
    else if (enhanced != NULL && reply.code / 100 != enhanced[0] - '0')
        reply.enhanced = arena_printf(a, "%d%s", reply.code / 100, enhanced + 1);
    return reply;
}
