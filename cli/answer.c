/* answer.c - keys become words and values stand below each other.
 *
 * What comes from a server is not let at the terminal as it is: controls become question
 * marks, and in JSON escapes.
 */
#include "answer.h"

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

enum { KEY_COLUMN = 16 };

static json_t *load(str_t json)
{
    json_t *value = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

/* Controls, those of ISO 6429 behind 0x7f too. */
static void put_text(struct buf *to, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool second = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

        buf_putc(to, *p < ' ' || *p == 127 || second ? '?' : (char)*p);
        p += second;
    }
}

bool answer_error(struct arena *a, str_t json, str_t *message)
{
    json_t *object = load(json);
    const char *text = json_string_value(json_object_get(object, "message"));
    bool is = text != NULL && json_is_string(json_object_get(object, "code"));
    struct buf *told = arena_buf(a, json.n + 1);

    if (is) {
        put_text(told, text);
        *message = buf_str(told);
    }
    json_decref(object);
    return is;
}

static void put_value(struct buf *to, const json_t *value)
{
    if (json_is_string(value))
        put_text(to, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        buf_puts(to, json_is_true(value) ? "yes" : "no");
    else
        buf_putc(to, '-');
}

/* Its values alone: what is of one kind has the same keys. */
static void put_object(struct buf *to, json_t *object)
{
    const char *separator = "", *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        buf_puts(to, separator);
        put_value(to, value);
        separator = ", ";
    }
}

static void put_list(struct buf *to, const json_t *list)
{
    if (json_array_size(list) == 0)
        buf_putc(to, '-');
    for (size_t i = 0; i < json_array_size(list); i++) {
        buf_puts(to, i > 0 ? ", " : "");
        put_value(to, json_array_get(list, i));
    }
}

static void put_key(struct buf *to, const char *key)
{
    size_t begin = to->n;

    put_text(to, key);
    for (size_t i = begin; i < to->n; i++)
        to->p[i] = to->p[i] == '_' ? ' ' : to->p[i];
    do
        buf_putc(to, ' ');
    while (to->n < begin + KEY_COLUMN && !to->full);
}

bool answer_text(str_t json, struct buf *to)
{
    json_t *object = load(json), *value;
    const char *key;

    if (object == NULL)
        return false;
    json_object_foreach(object, key, value)
    {
        put_key(to, key);
        if (json_is_array(value))
            put_list(to, value);
        else if (json_is_object(value))
            put_object(to, value);
        else
            put_value(to, value);
        buf_putc(to, '\n');
    }
    json_decref(object);
    return !to->full;
}

/* Jansson escapes all but DEL. */
static int put_json(const char *text, size_t n, void *user)
{
    struct buf *to = user;

    for (size_t i = 0; i < n; i++) {
        if (text[i] == 127)
            buf_puts(to, "\\u007f");
        else
            buf_putc(to, text[i]);
    }
    return 0;
}

bool answer_json(str_t json, struct buf *to)
{
    json_t *object = load(json);
    bool done =
        object != NULL &&
        json_dump_callback(object, put_json, to, JSON_COMPACT | JSON_ENSURE_ASCII) == 0;

    buf_putc(to, '\n');
    json_decref(object);
    return done && !to->full;
}
