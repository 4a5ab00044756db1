/* json.c - composing by jansson, so that quoting is never our worry. */
#include "json.h"

#include "base/log.h"

#include <jansson.h>

static void set(json_t *object, const char *key, str_t value)
{
    CHECK(json_object_set_new(object, key, json_stringn(value.p, value.n)) == 0);
}

/* Two passes: the first tells the length.  Gives the object away. */
static void dump(json_t *object, struct buf *out)
{
    size_t n = json_dumpb(object, NULL, 0, JSON_COMPACT);
    char *room = buf_reserve(out, n);

    if (room != NULL)
        buf_commit(out, json_dumpb(object, room, n, JSON_COMPACT));
    json_decref(object);
    buf_putc(out, '\n');
}

void json_credentials(str_t email, str_t password, str_t dclogin_url, struct buf *out)
{
    json_t *object = json_object();

    set(object, "email", email);
    set(object, "password", password);
    if (dclogin_url.n > 0)
        set(object, "dclogin_url", dclogin_url);
    dump(object, out);
}

void json_reason(str_t reason, struct buf *out)
{
    json_t *object = json_object();

    set(object, "reason", reason);
    dump(object, out);
}
