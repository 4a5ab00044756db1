/* credentials.h - draws the name and password of an account that does not exist yet.
 *
 * Nothing is stored: the account appears at its first login.
 * Thread: any.
 */
#pragma once

#include "account/rules.h"
#include "base/str.h"

struct arena;

struct credentials {
    str_t email;
    str_t password;
};

/* Fulfils the rules for new accounts.  The password is about 131 bits strong. */
void credentials_draw(const struct rules *rules, struct arena *a,
                      struct credentials *out);
