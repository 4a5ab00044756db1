/* credentials.c - letters and digits only.
 *
 * The chatmail relay also draws punctuation for passwords (spec 1.1); every such
 * character is three in a dclogin: code, which makes the picture harder to scan, for 0.6
 * bits.  Length gives the strength instead.  docs/DIFFERENCES.md lists it.
 */
#include "credentials.h"

#include "base/arena.h"
#include "mail/domains.h"
#include "base/crypto.h"

enum {
    NAME_CHARACTERS = 9,      /* what Delta Chat draws itself */
    PASSWORD_CHARACTERS = 22, /* of 62: 131 bits */
    PASSWORD_SPARE = 3,       /* above the shortest password, as the relay does */
};

static const char alphabet[] =
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
enum { NAME_ALPHABET = 36, PASSWORD_ALPHABET = sizeof(alphabet) - 1 };

static str_t draw(struct arena *a, size_t n, unsigned letters)
{
    char *p = arena_alloc(a, n);

    for (size_t i = 0; i < n; i++)
        p[i] = alphabet[crypto_random_below(letters)];
    return str_n(p, n);
}

static size_t name_length(const struct rules *rules)
{
    if (rules->username_max_length < NAME_CHARACTERS)
        return rules->username_max_length;
    if (rules->username_min_length > NAME_CHARACTERS)
        return rules->username_min_length;
    return NAME_CHARACTERS;
}

static size_t password_length(const struct rules *rules)
{
    size_t wanted = rules->password_min_length + PASSWORD_SPARE;

    return wanted > PASSWORD_CHARACTERS ? wanted : PASSWORD_CHARACTERS;
}

void credentials_draw(const struct rules *rules, struct arena *a, struct credentials *out)
{
    out->password = draw(a, password_length(rules), PASSWORD_ALPHABET);
    do { /* again when chance spells a reserved name */
        str_t name = draw(a, name_length(rules), NAME_ALPHABET);

        out->email = str_of(arena_printf(a, "%.*s@%.*s", STR_ARG(name),
                                         STR_ARG(domains_first(rules->domains))));
    } while (rules_new_account(rules, out->email, out->password) == RULES_NAME_RESERVED);
}
