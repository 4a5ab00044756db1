/* msg.c - one walk over a message's fields serves the encoder and the decoder, so that
 * they cannot disagree. */
#include "bus/msg.h"

#include "base/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8, ACCOUNT_DIGITS = 16, RANGE_SHIFT = 4 * (16 - MSG_RANGE_DIGITS) };

struct walk {
    const json_t *from; /* decoding; NULL: encoding */
    char *to;
    size_t n, room;
    bool bad;
};

__attribute__((format(printf, 2, 3))) static void put(struct walk *w, const char *format,
                                                      ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(w->to + w->n, w->room - w->n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= w->room - w->n)
        w->bad = true;
    else
        w->n += (size_t)n;
}

static void walk_i64(struct walk *w, const char *name, int64_t *value)
{
    const json_t *field;

    if (w->from == NULL) {
        put(w, ",\"%s\":%" PRId64, name, *value);
        return;
    }
    field = json_object_get(w->from, name);
    if (field == NULL)
        return;
    if (json_is_integer(field))
        *value = json_integer_value(field);
    else
        w->bad = true;
}

static void walk_u32(struct walk *w, const char *name, uint32_t *value)
{
    int64_t wide = *value;

    walk_i64(w, name, &wide);
    if (wide < 0 || wide > UINT32_MAX)
        w->bad = true;
    else
        *value = (uint32_t)wide;
}

#define MESSAGE(name, pattern, topic)                                                    \
    static void fields_##name(struct walk *w, struct msg *whole)                         \
    {                                                                                    \
        struct msg_##name *m = &whole->name;
#define FIELD(type, name, sentence) walk_##type(w, #name, &m->name);
#define MESSAGE_END(name)           }
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END

static const struct {
    const char *name;
    enum msg_pattern pattern;
    void (*fields)(struct walk *w, struct msg *m);
} kinds[] = {
#define MESSAGE(name, pattern, topic) { #name, MSG_##pattern, fields_##name },
#define FIELD(type, name, sentence)
#define MESSAGE_END(name)
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END
};

const char *msg_name(enum msg_kind kind)
{
    CHECK((unsigned)kind < ARRAY_LEN(kinds));
    return kinds[kind].name;
}

enum msg_pattern msg_pattern(enum msg_kind kind)
{
    CHECK((unsigned)kind < ARRAY_LEN(kinds));
    return kinds[kind].pattern;
}

void msg_topic_account(char out[MSG_TOPIC_BYTES], int64_t account)
{
    snprintf(out, MSG_TOPIC_BYTES, "%016" PRIx64, (uint64_t)account);
}

void msg_topic_range(char out[MSG_TOPIC_BYTES], int64_t account)
{
    msg_topic_account(out, account);
    out[MSG_RANGE_DIGITS] = '\0';
}

unsigned msg_range(int64_t account)
{
    int64_t range = account >> RANGE_SHIFT;

    CHECK(range >= 0 && range < MSG_RANGES);
    return (unsigned)range;
}

bool msg_topic_read(str_t topic, int64_t *account)
{
    uint64_t n = 0;

    if (topic.n != ACCOUNT_DIGITS)
        return false;
    for (size_t i = 0; i < topic.n; i++) {
        int digit = str_hex_value(topic.p[i]);

        if (digit < 0)
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    *account = (int64_t)n;
    return true;
}

void msg_topic(char out[MSG_TOPIC_BYTES], const struct msg *m)
{
    switch (m->kind) {
#define TOPIC_ACCOUNT(name) msg_topic_account(out, m->name.account)
#define TOPIC_GENERAL(name) snprintf(out, MSG_TOPIC_BYTES, "%s", #name)
#define MESSAGE(name, pattern, topic)                                                    \
    case MSG_##name:                                                                     \
        TOPIC_##topic(name);                                                             \
        break;
#define FIELD(type, name, sentence)
#define MESSAGE_END(name)
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END
    case MSG_KIND_COUNT:
        CHECK(m->kind != MSG_KIND_COUNT);
    }
}

size_t msg_encode(const struct msg *m, char *out, size_t room)
{
    struct walk w = { .to = out, .room = room };
    struct msg copy = *m;

    put(&w, "{\"message\":\"%s\"", msg_name(m->kind));
    kinds[m->kind].fields(&w, &copy);
    put(&w, "}");
    return w.bad ? SIZE_MAX : w.n;
}

/* Nesting as the parser would see it; jansson's own limit is far above ours. */
static bool is_too_deep(str_t body)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < body.n; i++) {
        char c = body.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        if (depth > DEPTH_MAX)
            return true;
    }
    return false;
}

static enum rc decode_object(const json_t *object, struct msg *out)
{
    const char *name = json_string_value(json_object_get(object, "message"));
    struct walk w = { .from = object };

    for (size_t i = 0; name != NULL && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            out->kind = (enum msg_kind)i;
            kinds[i].fields(&w, out);
            return w.bad ? RC_INVALID : RC_OK;
        }
    }
    return RC_INVALID;
}

enum rc msg_decode(str_t body, struct msg *out)
{
    json_t *object;
    enum rc rc;

    memset(out, 0, sizeof(*out));
    if (body.n > MSG_BODY_MAX || is_too_deep(body))
        return RC_LIMIT;
    object = json_loadb(body.n == 0 ? "" : body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    if (object == NULL)
        return RC_INVALID;
    rc = decode_object(object, out);
    json_decref(object);
    return rc;
}
