/* json.c - composing by jansson, so that quoting is never our worry. */
#include "json.h"

#include "base/arena.h"
#include "base/log.h"
#include "store/store_account.h"
#include "store/store_account_show.h"
#include "svc/federation.h"
#include "store/store_alias.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

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

void json_error(str_t code, str_t message, struct buf *out)
{
    json_t *object = json_object();

    set(object, "code", code);
    set(object, "message", message);
    dump(object, out);
}

static void set_number(json_t *object, const char *key, int64_t value)
{
    CHECK(json_object_set_new(object, key, json_integer(value)) == 0);
}

static void set_bool(json_t *object, const char *key, bool value)
{
    CHECK(json_object_set_new(object, key, json_boolean(value)) == 0);
}

static void set_id(json_t *object, const char *key, int64_t id)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, id);
    set(object, key, str_of(text));
}

static void set_day(json_t *object, const char *key, int32_t days_since_1970)
{
    time_t at = (time_t)days_since_1970 * 86400;
    char text[16];
    struct tm utc;

    gmtime_r(&at, &utc);
    strftime(text, sizeof(text), "%Y-%m-%d", &utc);
    set(object, key, str_of(text));
}

static json_t *flag_words(uint32_t flags)
{
    json_t *words = json_array();

    if (flags & STORE_ACCOUNT_ACCEPT_CLEARTEXT)
        CHECK(json_array_append_new(words, json_string("accept_cleartext")) == 0);
    return words;
}

void json_account(const struct store_account_show *a, struct buf *out)
{
    json_t *object = json_object();
    bool active = a->state == STORE_ACCOUNT_ACTIVE;

    set(object, "address", a->address);
    set_id(object, "id", a->id);
    set(object, "state", active ? S("active") : S("disabled"));
    set_bool(object, "encrypted_only", !(a->flags & STORE_ACCOUNT_ACCEPT_CLEARTEXT));
    CHECK(json_object_set_new(object, "flags", flag_words(a->flags)) == 0);
    set_number(object, "quota_bytes", a->quota_bytes);
    set_bool(object, "quota_is_own", a->has_own_quota);
    set_number(object, "used_bytes", a->used_bytes);
    set_number(object, "messages", a->messages);
    set_number(object, "mailboxes", a->mailboxes);
    set_day(object, "created_day", a->created_day);
    set_day(object, "last_seen_day", a->seen_day);
    dump(object, out);
}

/* jansson gives up at a depth of 2048 by itself. */
static json_t *load(str_t text)
{
    return json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
}

bool json_account_change(str_t text, struct json_account_change *out)
{
    json_t *object = load(text);
    const json_t *encrypted_only = json_object_get(object, "encrypted_only");
    bool fine = json_object_size(object) == 1 && json_is_boolean(encrypted_only);

    out->encrypted_only = json_is_true(encrypted_only);
    json_decref(object);
    return fine;
}

static json_t *texts(const str_t *list, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        CHECK(json_array_append_new(array, json_stringn(list[i].p, list[i].n)) == 0);
    return array;
}

void json_aliases(const struct store_alias *list, size_t n, struct buf *out)
{
    json_t *object = json_object();

    for (size_t i = 0; i < n; i++)
        CHECK(json_object_setn_new(object, list[i].key.p, list[i].key.n,
                                   texts(list[i].targets, list[i].target_count)) == 0);
    dump(object, out);
}

bool json_alias_targets(struct arena *a, str_t text, str_t **out, size_t *n)
{
    json_t *object = load(text);
    const json_t *targets = json_object_get(object, "targets");
    bool fine = json_object_size(object) == 1 && json_array_size(targets) > 0;

    *n = fine ? json_array_size(targets) : 0;
    *out = arena_array(a, *n + 1, sizeof(**out));
    for (size_t i = 0; i < *n; i++) {
        const json_t *one = json_array_get(targets, i);

        fine &= json_is_string(one);
        (*out)[i] = arena_str(a, str_n(json_string_value(one), json_string_length(one)));
    }
    json_decref(object);
    return fine;
}

void json_federation(const struct store_federation_row *list, size_t n, struct buf *out)
{
    json_t *object = json_object();

    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object();

        set(row, "verdict", str_of(federation_verdict_word(list[i].blocks)));
        set(row, "direction", str_of(federation_direction_word(list[i].directions)));
        CHECK(json_object_setn_new(object, list[i].pattern.p, list[i].pattern.n, row) ==
              0);
    }
    dump(object, out);
}

static str_t text_of(const json_t *value)
{
    return str_n(json_string_value(value), json_string_length(value));
}

bool json_federation_row(str_t text, struct store_federation_row *out)
{
    json_t *object = load(text);
    const json_t *verdict = json_object_get(object, "verdict");
    const json_t *direction = json_object_get(object, "direction");
    bool fine = json_object_size(object) == (direction != NULL ? 2 : 1) &&
                federation_parse_verdict(text_of(verdict), &out->blocks);

    out->directions = FEDERATION_BOTH;
    if (direction != NULL)
        fine &= federation_parse_direction(text_of(direction), &out->directions);
    json_decref(object);
    return fine;
}

bool json_is_one(str_t text)
{
    json_t *value = load(text);
    bool yes = value != NULL && json_typeof(value) == JSON_OBJECT;

    json_decref(value);
    return yes;
}
