/* encrypted.c - the rules of chatmail spec 2.5, 2.6 and 3.2, one function each. */
#include "mail/encrypted.h"

#include "base/arena.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/openpgp_walk.h"

#include <string.h>

/* What the rules look at. */
struct subject {
    struct arena *arena;
    const struct encrypted_query *query;
    const struct encrypted_result *result;
    struct mime_tree tree;
};

/* The one line that mail programs put before the first part (Enigmail and Thunderbird,
 * the older one also GPGTools).  Any other text would be a message in clear. */
static bool is_known_preamble(str_t text)
{
    text = str_trim(text);
    return text.n == 0 ||
           str_eq(text,
                  S("This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)")) ||
           str_eq(text,
                  S("This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)"));
}

static bool has_only_parts(const struct mime_part *root)
{
    return root->is_multipart && root->closed && is_known_preamble(root->preamble) &&
           str_trim(root->epilogue).n == 0;
}

/* The only body of that type and text? */
static bool body_is(struct arena *a, const struct mime_part *part, str_t text)
{
    enum { LONGEST = 4096 };
    str_t body;

    if (part->body.n > LONGEST ||
        mime_decode(a, part->encoding, part->body, &body) != RC_OK)
        return false;
    return str_eq(str_trim(body), text);
}

static bool is_openpgp_mime(const struct subject *s)
{
    const struct mime_part *root = &s->tree.parts[0], *version, *data;
    str_t text;

    if (!mime_type_is(&root->type, "multipart", "encrypted") || root->children != 2 ||
        !has_only_parts(root))
        return false;
    version = &s->tree.parts[root->first];
    data = &s->tree.parts[version->next];
    if (version->children != 0 || data->children != 0 ||
        !mime_type_is(&version->type, "application", "pgp-encrypted") ||
        !mime_type_is(&data->type, "application", "octet-stream") ||
        !body_is(s->arena, version, S("Version: 1")))
        return false;
    if (mime_decode(s->arena, data->encoding, data->body, &text) != RC_OK)
        return false;
    return openpgp_walk_armored(text, s->query->direction == ENCRYPTED_INCOMING);
}

/* The step is named twice, in the header and in the text, and both must agree. */
static bool is_securejoin(const struct subject *s)
{
    const struct mime_part *root = &s->tree.parts[0], *part;
    str_t step = header_value(s->arena, s->query->message, S("Secure-Join"));
    str_t text;

    if (!str_eq(step, S("vc-request")) && !str_eq(step, S("vg-request")))
        return false;
    if (header_count(s->query->message, S("Secure-Join")) != 1 || root->children != 1 ||
        !has_only_parts(root))
        return false;
    part = &s->tree.parts[root->first];
    if (part->children != 0 || !mime_type_is(&part->type, "text", "plain"))
        return false;
    if (mime_decode(s->arena, part->encoding, str_head(part->body, 256), &text) !=
            RC_OK ||
        part->body.n > 256)
        return false;
    text = arena_str_lower(s->arena, str_trim(text));
    return str_starts(text, S("secure-join: ")) && str_eq(str_skip(text, 13), step);
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

/* A report has a part for programs; without one it is a letter that calls itself report.
 */
static bool has_delivery_status(const struct mime_tree *tree)
{
    for (size_t i = tree->parts[0].first; i != 0; i = tree->parts[i].next) {
        if (mime_type_is(&tree->parts[i].type, "message", "delivery-status") ||
            mime_type_is(&tree->parts[i].type, "message", "global-delivery-status"))
            return true;
    }
    return false;
}

static bool is_bounce(const struct subject *s)
{
    const struct encrypted_query *q = s->query;
    str_t automatic;

    if (q->direction != ENCRYPTED_INCOMING || q->message.n > ENCRYPTED_BOUNCE_MAX_BYTES ||
        !mime_type_is(&s->tree.parts[0].type, "multipart", "report") ||
        !str_eq_nocase(s->result->author.local, S("mailer-daemon")))
        return false;
    automatic = header_value(s->arena, q->message, S("Auto-Submitted"));
    return automatic.n > 0 && !str_eq_nocase(automatic, S("no")) &&
           has_delivery_status(&s->tree);
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

/* Clear text is most often seen from its type alone; then its body is not even read. */
static bool may_pass(struct arena *a, str_t message)
{
    str_t type = header_value(a, message, S("Content-Type"));

    return header_count(message, S("Content-Type")) == 1 &&
           header_count(message, S("Content-Transfer-Encoding")) <= 1 &&
           str_starts_nocase(type, S("multipart/"));
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
    mime_tree_parse(a, q->message, &s.tree);
    if (!s.tree.truncated)
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
