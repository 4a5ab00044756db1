/* rspamd_answer.c - read by jansson, which bounds the depth; what is kept is bounded
 * here.
 *
 * Of "milter", which is made for MTAs, the headers are taken; senders and recipients are
 * not rspamd's to change here.
 */
#include "rspamd_answer.h"

#include "base/arena.h"
#include "base/log.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static const struct {
    const char *name;
    enum rspamd_action action;
} actions[] = {
    { "no action", RSPAMD_NO_ACTION },     { "greylist", RSPAMD_GREYLIST },
    { "add header", RSPAMD_ADD_HEADER },   { "rewrite subject", RSPAMD_REWRITE_SUBJECT },
    { "soft reject", RSPAMD_SOFT_REJECT }, { "reject", RSPAMD_REJECT },
    { "quarantine", RSPAMD_ADD_HEADER },   { "discard", RSPAMD_REJECT },
};

const char *rspamd_answer_action_name(enum rspamd_action action)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].action == action)
            return actions[i].name;
    CHECK(false);
    return "";
}

static str_t text_of(const json_t *value)
{
    return json_is_string(value)
               ? str_n(json_string_value(value), json_string_length(value))
               : str_n(NULL, 0);
}

static enum rc read_action(const json_t *root, struct rspamd_answer *out)
{
    str_t name = text_of(json_object_get(root, "action"));

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(name, str_of(actions[i].name))) {
            out->action = actions[i].action;
            return RC_OK;
        }
    }
    return RC_INVALID;
}

/* Into a reply: one line, which no byte can end. */
static str_t reply_text(struct arena *a, str_t text)
{
    char *p;

    text = str_head(text, RSPAMD_ANSWER_TEXT_MAX_BYTES);
    p = arena_cstr(a, text);
    for (size_t i = 0; i < text.n; i++)
        if (p[i] < ' ' || p[i] > '~')
            p[i] = '?';
    return str_n(p, text.n);
}

struct list {
    struct arena *arena;
    struct rspamd_answer_field *fields;
    size_t count;
    bool too_many;
};

static void list_add(struct list *l, str_t name, str_t value, long place)
{
    l->too_many |= l->count == RSPAMD_ANSWER_HEADERS_MAX;
    if (l->too_many)
        return;
    l->fields[l->count++] =
        (struct rspamd_answer_field){ arena_str(l->arena, name),
                                      arena_str(l->arena, value), place };
}

static struct list list_new(struct arena *a)
{
    struct list l = { .arena = a };

    l.fields = arena_array(a, RSPAMD_ANSWER_HEADERS_MAX, sizeof(*l.fields));
    return l;
}

/* "value", or {"value": "value", "order": 0}. */
static bool add_one(struct list *l, str_t name, const json_t *value)
{
    const json_t *order = json_object_get(value, "order");

    if (json_is_object(value))
        value = json_object_get(value, "value");
    if (!json_is_string(value) || (order != NULL && !json_is_integer(order)))
        return false;
    list_add(l, name, text_of(value),
             order == NULL || json_integer_value(order) < 0 ||
                     json_integer_value(order) > INT32_MAX
                 ? -1
                 : (long)json_integer_value(order));
    return true;
}

/* One, or a list of them. */
static bool add_some(struct list *l, str_t name, const json_t *values)
{
    if (!json_is_array(values))
        return add_one(l, name, values);
    for (size_t i = 0; i < json_array_size(values) && !l->too_many; i++)
        if (!add_one(l, name, json_array_get(values, i)))
            return false;
    return true;
}

static bool remove_one(struct list *l, str_t name, const json_t *value)
{
    json_int_t nth = json_integer_value(value);

    if (!json_is_integer(value))
        return false;
    list_add(l, name, str_n(NULL, 0), nth < 0 || nth > INT32_MAX ? 0 : (long)nth);
    return true;
}

static bool remove_some(struct list *l, str_t name, const json_t *values)
{
    if (!json_is_array(values))
        return remove_one(l, name, values);
    for (size_t i = 0; i < json_array_size(values) && !l->too_many; i++)
        if (!remove_one(l, name, json_array_get(values, i)))
            return false;
    return true;
}

static enum rc read_fields(struct list *l, json_t *object,
                           bool (*some)(struct list *l, str_t name, const json_t *values))
{
    const char *name;
    json_t *values;

    if (object == NULL)
        return RC_OK;
    if (!json_is_object(object))
        return RC_INVALID;
    json_object_foreach(object, name, values)
    {
        if (!some(l, str_of(name), values) || l->too_many)
            return RC_INVALID;
    }
    return RC_OK;
}

static enum rc read_milter(struct arena *a, json_t *root, struct rspamd_answer *out)
{
    json_t *milter = json_object_get(root, "milter");
    struct list add = list_new(a), gone = list_new(a);
    enum rc rc = read_fields(&add, json_object_get(milter, "add_headers"), add_some);

    if (rc == RC_OK)
        rc = read_fields(&gone, json_object_get(milter, "remove_headers"), remove_some);
    out->add = add.fields;
    out->add_count = add.count;
    out->remove = gone.fields;
    out->remove_count = gone.count;
    return rc;
}

enum rc rspamd_answer_parse(struct arena *a, str_t json, struct rspamd_answer *out)
{
    json_t *root = NULL, *score;
    enum rc rc;

    *out = (struct rspamd_answer){ .action = RSPAMD_NO_ACTION };
    if (json.n > 0 && json.n <= RSPAMD_ANSWER_MAX_BYTES)
        root = json_loadb(json.p, json.n, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return RC_INVALID;
    }
    score = json_object_get(root, "score");
    out->score = json_number_value(score);
    rc = isfinite(out->score) ? read_action(root, out) : RC_INVALID;
    out->text = reply_text(
        a, text_of(json_object_get(json_object_get(root, "messages"), "smtp_message")));
    if (rc == RC_OK)
        rc = read_milter(a, root, out);
    json_decref(root);
    return rc;
}
