/* json.h - the JSON that the registrar answers with.
 *
 * The registrar's only door to jansson.  Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* {"email", "password"[, "dclogin_url"]}: chatmail spec 1.1.  An empty dclogin_url is
 * left out. */
void json_credentials(str_t email, str_t password, str_t dclogin_url, struct buf *out);

/* {"reason"}: Delta Chat shows it to the person. */
void json_reason(str_t reason, struct buf *out);

/* The admin API. */
struct store_account_show;

void json_error(str_t code, str_t message, struct buf *out);
/* Ids are strings: they are larger than what a double can hold. */
void json_account(const struct store_account_show *a, struct buf *out);

/* What a PATCH of an account asks for.  False: a member that is none of these, one of
 * another type, or nothing at all. */
struct json_account_change {
    bool encrypted_only;
};
bool json_account_change(str_t text, struct json_account_change *out);

/* Aliases, each with a list of what it stands for. */
struct store_alias;
void json_aliases(const struct store_alias *list, size_t n, struct buf *out);
/* {"targets": ["ann@chat.example", ...]}, copied into a.  False: it is nothing such. */
bool json_alias_targets(struct arena *a, str_t text, str_t **out, size_t *n);

/* Federation lists: {"far.example": {"verdict": "block", "direction": "both"}, ...}. */
struct store_federation_row;
void json_federation(const struct store_federation_row *list, size_t n, struct buf *out);
/* {"verdict": "block", "direction": "both"}, in any order, the direction "both" if it is
 * not there.  False: it is nothing such. */
bool json_federation_row(str_t text, struct store_federation_row *out);

/* Is it one JSON object, without doubled keys, and of bounded depth? */
bool json_is_one(str_t text);
