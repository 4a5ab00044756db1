/* rules.h - which names may log in, and which may become a new account.
 *
 * Pure.  The creation rules and their order are those of the chatmail relay (chatmail
 * spec 1.3), so that the same request is refused for the same reason; one more is the
 * last, reserved names.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct domains;

struct rules {
    const struct domains *domains;
    bool registers_all; /* accounts of more_mail_domains, too, may be made */
    size_t username_min_length;
    size_t username_max_length;
    size_t password_min_length; /* [characters], UTF-8 sequences count once */
};

enum rules_verdict {
    RULES_OK,
    RULES_PASSWORD_SHORT,
    RULES_NAME_MALFORMED, /* not exactly one @ */
    RULES_NAME_LENGTH,
    RULES_NAME_CHARACTERS, /* outside a-z 0-9 . _ - */
    RULES_NAME_DOMAIN,     /* one of ours in which nobody registers */
    RULES_NAME_RESERVED,   /* one that gives power over the domain, see rules.c */
    RULES_COUNT
};

enum {
    RULES_ADDRESS_MAX_BYTES = 254,
    RULES_PASSWORD_MAX_BYTES = 511, /* libcrypt takes no more */
};

/* The address that a login name means, in lower case, in the arena; its domain may be
 * written as a U-label.
 * RC_INVALID: a character that no address of ours has, too long, or a domain that has no
 * accounts: another one, or an alias, whose addresses only receive. */
enum rc rules_login_address(const struct rules *r, struct arena *a, str_t user,
                            str_t *address) RC_CHECKED;

/* May this pair, after rules_login_address, become a new account? */
enum rules_verdict rules_new_account(const struct rules *r, str_t address,
                                     str_t password);

/* A sentence for the person who asks ("the password is too short"). */
const char *rules_verdict_text(enum rules_verdict v);
