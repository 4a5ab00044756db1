/* answer.c - keys become words and values stand below each other.
 *
 * What comes from a server is not let at the terminal as it is: controls become question
 * marks.
 */
#include "answer.h"

#include "base/arena.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { KEY_COLUMN = 16 };

static json_t *load(str_t json)
{
    json_t *value = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

bool answer_error(struct arena *a, str_t json, str_t *message)
{
    json_t *object = load(json);
    const char *text = json_string_value(json_object_get(object, "message"));
    bool is = text != NULL && json_is_string(json_object_get(object, "code"));

    if (is)
        *message = arena_str(a, str_of(text));
    json_decref(object);
    return is;
}

/* Controls, those of ISO 6429 behind 0x7f too. */
static void print_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool second = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

        putchar(*p < ' ' || *p == 127 || second ? '?' : *p);
        p += second;
    }
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        print_text(json_string_value(value));
    else if (json_is_integer(value))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stdout);
    else
        putchar('-');
}

static void print_list(const json_t *list)
{
    if (json_array_size(list) == 0)
        putchar('-');
    for (size_t i = 0; i < json_array_size(list); i++) {
        fputs(i > 0 ? ", " : "", stdout);
        print_value(json_array_get(list, i));
    }
}

bool answer_print(str_t json)
{
    json_t *object = load(json), *value;
    const char *key;

    if (object == NULL)
        return false;
    json_object_foreach(object, key, value)
    {
        int n = (int)strlen(key);

        for (const char *p = key; *p != '\0'; p++)
            putchar(*p == '_' || *p < ' ' ? ' ' : *p);
        printf("%*s", n < KEY_COLUMN ? KEY_COLUMN - n : 1, "");
        if (json_is_array(value))
            print_list(value);
        else
            print_value(value);
        putchar('\n');
    }
    json_decref(object);
    return true;
}
