/* encrypted.c - the rules of chatmail spec 2.5, 2.6 and 3.2.4, one function each.
 *
 * They are the relay's.  Stricter is only what two readers would read in two ways, so
 * that one shows what the other never saw: a second From (address_author) or Content-Type
 * field, a second boundary, a header that is none (header_check), of the message or of a
 * part.  No client writes such a thing. docs/DIFFERENCES.md lists them.
 */
#include "mail/encrypted.h"

#include "base/arena.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/mime_decode.h"
#include "mail/openpgp_walk.h"

#include <string.h>

enum { PIECE_BYTES = 4096 };

/* What the rules look at. */
struct subject {
    struct arena *arena;
    const struct encrypted_query *query;
    const struct encrypted_result *result;
    struct mime_tree tree;
};

/* A part's text as its readers decode it, in pieces: to feed(to, piece).  False: it
 * cannot be decoded. */
static bool decode(const struct mime_part *part, void (*feed)(void *to, str_t piece),
                   void *to)
{
    struct mime_decoder d = { .encoding = part->encoding };
    char piece[PIECE_BYTES];
    str_t rest = part->body;

    if (d.encoding != MIME_BASE64 && d.encoding != MIME_QUOTED_PRINTABLE) {
        feed(to, rest);
        return true;
    }
    while (rest.n > 0 && !d.broken) {
        str_t in = str_head(rest, sizeof(piece));

        feed(to, str_n(piece, mime_decoder_feed(&d, in, piece)));
        rest = str_skip(rest, in.n);
    }
    return mime_decoder_end(&d);
}

/* Compares a text, without the blanks and line ends around it. */
struct comparison {
    str_t with;
    bool any_case, differs;
    size_t n; /* characters that were equal */
};

static void compare(void *to, str_t piece)
{
    struct comparison *c = to;

    for (size_t i = 0; i < piece.n && !c->differs; i++) {
        unsigned char is = (unsigned char)piece.p[i];
        bool blank = is == ' ' || is == '\t' || is == '\r' || is == '\n';

        if (c->any_case)
            is = str_lower_char(is);
        if (c->n < c->with.n && is == (unsigned char)c->with.p[c->n])
            c->n++;
        else
            c->differs = !blank || (c->n > 0 && c->n < c->with.n);
    }
}

static bool says(const struct mime_part *part, str_t text, bool any_case)
{
    struct comparison c = { .with = text, .any_case = any_case };

    return decode(part, compare, &c) && !c.differs && c.n == text.n;
}

static void walk(void *to, str_t piece)
{
    openpgp_walk_feed(to, piece);
}

static str_t skip_chars(str_t s, const char *chars)
{
    while (s.n > 0 && s.p[0] != '\0' && strchr(chars, s.p[0]) != NULL)
        s = str_skip(s, 1);
    return s;
}

/* A Content-Type that everybody reads alike: there once, as RFC 2045 5.1 writes it, and
 * without what some readers undo and others do not: comments, backslashes, encoded words,
 * letters beyond ASCII.  To all of them none at all is text/plain. */
static bool has_plain_type(struct arena *a, str_t header)
{
    str_t value = header_value(a, header, S("Content-Type"));
    size_t count = header_count(header, S("Content-Type"));
    struct mime_type type;

    if (count == 0)
        return true;
    if (count > 1 || mime_type_parse(a, value, &type) != RC_OK ||
        type.subtype.p != type.type.p + type.type.n + 1 ||
        str_find(value, S("=?")) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if ((c < ' ' && c != '\t') || c > '~' || c == '(' || c == '\\')
            return false;
    }
    return true;
}

/* One word, or none: "base64 (x)" and "base64; x" are base64 to some only. */
static bool has_plain_encoding(struct arena *a, str_t header)
{
    str_t value = header_value(a, header, S("Content-Transfer-Encoding"));

    return header_count(header, S("Content-Transfer-Encoding")) <= 1 &&
           (value.n == 0 || mime_is_token(value));
}

/* Where a line is no field, some end the header and show all that follows as text. */
static bool is_plain_part(const struct subject *s, const struct mime_part *part)
{
    return header_check(part->header) == RC_OK &&
           has_plain_type(s->arena, part->header) &&
           has_plain_encoding(s->arena, part->header);
}

/* Of "boundary=a; boundary=b" some readers take the first and some the last; "boundary*="
 * divides them as well. */
static bool has_one_boundary(const struct subject *s)
{
    str_t value = arena_str_lower(
        s->arena, header_value(s->arena, s->query->message, S("Content-Type")));
    size_t count = 0, at;

    while ((at = str_find(value, S("boundary"))) != SIZE_MAX) {
        value = skip_chars(str_skip(value, at + 8), "*0123456789 \t");
        count += value.n > 0 && value.p[0] == '=';
    }
    return count == 1;
}

/* RFC 2046 5.1.1 has neither; "<b>" is b to some (Python's reader), and so is "b ". */
static bool is_plain_boundary(str_t s)
{
    return s.n > 0 && s.p[s.n - 1] != ' ' && s.p[s.n - 1] != '\t' &&
           str_find_char(s, '<') == SIZE_MAX && str_find_char(s, '>') == SIZE_MAX;
}

/* Lines that begin like a delimiter; the relay's reader does not ask how they go on. */
static size_t count_delimiters(str_t body, str_t boundary)
{
    size_t count = 0;
    str_t line;

    while (str_split(&body, '\n', &line))
        count += str_starts(line, S("--")) && str_starts(str_skip(line, 2), boundary);
    return count;
}

/* Does everybody see the same parts?  What is a preamble to us may say anything, as long
 * as it is a letter in clear to nobody else. */
static bool is_unmistakable(const struct subject *s)
{
    const struct mime_part *root = &s->tree.parts[0];
    str_t boundary;

    return has_plain_type(s->arena, root->header) && has_one_boundary(s) &&
           mime_type_param(&root->type, "boundary", &boundary) &&
           is_plain_boundary(boundary) &&
           count_delimiters(root->body, boundary) == root->children + root->closed;
}

static bool is_openpgp_mime(const struct subject *s)
{
    const struct mime_part *root = &s->tree.parts[0], *version, *data;
    struct openpgp_walk w;

    if (!mime_type_is(&root->type, "multipart", "encrypted") || root->children != 2 ||
        !is_unmistakable(s))
        return false;
    version = &s->tree.parts[root->first];
    data = &s->tree.parts[version->next];
    if (!mime_type_is(&version->type, "application", "pgp-encrypted") ||
        !mime_type_is(&data->type, "application", "octet-stream") ||
        !is_plain_part(s, version) || !is_plain_part(s, data) ||
        !says(version, S("Version: 1"), false))
        return false;
    openpgp_walk_begin(&w, s->query->direction == ENCRYPTED_INCOMING);
    return decode(data, walk, &w) && openpgp_walk_end(&w);
}

/* The step is named twice, in the header and in the text; either may name either one, as
 * to the relay. */
static bool is_securejoin(const struct subject *s)
{
    const struct mime_part *root = &s->tree.parts[0], *part;
    str_t step = header_value(s->arena, s->query->message, S("Secure-Join"));

    if (!str_eq(step, S("vc-request")) && !str_eq(step, S("vg-request")))
        return false;
    if (root->children != 1 || !is_unmistakable(s))
        return false;
    part = &s->tree.parts[root->first];
    return mime_type_is(&part->type, "text", "plain") && is_plain_part(s, part) &&
           (says(part, S("secure-join: vc-request"), true) ||
            says(part, S("secure-join: vg-request"), true));
}

static bool is_setup_message(const struct subject *s)
{
    const struct encrypted_query *q = s->query;

    return q->direction == ENCRYPTED_OUTGOING && q->recipient_count == 1 &&
           str_eq_nocase(q->recipients[0], s->result->author.text) &&
           str_eq(header_value(s->arena, q->message, S("Subject")),
                  S("Autocrypt Setup Message")) &&
           mime_type_is(&s->tree.parts[0].type, "multipart", "mixed");
}

/* Nothing about its parts: many servers return the whole message, some write none of what
 * RFC 3464 asks for, and a bounce that is refused is lost. */
static bool is_bounce(const struct subject *s)
{
    return s->query->direction == ENCRYPTED_INCOMING &&
           mime_type_is(&s->tree.parts[0].type, "multipart", "report") &&
           str_eq_nocase(s->result->author.local, S("mailer-daemon")) &&
           header_value(s->arena, s->query->message, S("Auto-Submitted")).n > 0;
}

static enum encrypted_verdict judge(struct subject *s)
{
    static const struct {
        bool (*holds)(const struct subject *);
        enum encrypted_verdict verdict;
    } rules[] = {
        { is_openpgp_mime, ENCRYPTED_YES },
        { is_securejoin, ENCRYPTED_SECUREJOIN },
        { is_setup_message, ENCRYPTED_SETUP_MESSAGE },
        { is_bounce, ENCRYPTED_BOUNCE },
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (rules[i].holds(s))
            return rules[i].verdict;
    }
    return ENCRYPTED_NO;
}

/* Every rule wants a multipart; of anything else the body is not even read.  A second
 * Content-Type could be the one that somebody's mail program goes by. */
static bool may_pass(struct arena *a, str_t message)
{
    return header_count(message, S("Content-Type")) == 1 &&
           str_starts_nocase(header_value(a, message, S("Content-Type")),
                             S("multipart/"));
}

void encrypted_judge(struct arena *a, const struct encrypted_query *q,
                     struct encrypted_result *out)
{
    struct subject s = { .arena = a, .query = q, .result = out };

    *out = (struct encrypted_result){ .verdict = ENCRYPTED_NO };
    out->header_rc = header_check(q->message);
    out->author_rc = address_author(a, q->message, &out->author);
    if (out->header_rc != RC_OK || out->author_rc != RC_OK || !may_pass(a, q->message))
        return;
    /* That a limit of the tree was reached does not matter: no rule looks at a part that
     * is not among the first three. */
    mime_tree_parse(a, q->message, &s.tree);
    out->verdict = judge(&s);
}

const char *encrypted_verdict_name(enum encrypted_verdict v)
{
    static const char *const names[] = {
        [ENCRYPTED_NO] = "clear",
        [ENCRYPTED_YES] = "encrypted",
        [ENCRYPTED_SECUREJOIN] = "securejoin",
        [ENCRYPTED_SETUP_MESSAGE] = "setup_message",
        [ENCRYPTED_BOUNCE] = "bounce",
    };

    return (size_t)v < ARRAY_LEN(names) ? names[v] : "unknown";
}
