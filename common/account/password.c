/* password.c - the door to libcrypt.
 *
 * crypt_rn works in memory that we give it, so that it can be wiped; the arena is not
 * used for it, because arenas are not wiped.
 */
#include "account/password.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/mem.h"

#include <crypt.h>
#include <string.h>

enum { PASSWORD_MAX_BYTES = CRYPT_MAX_PASSPHRASE_SIZE, SALT_BYTES = 24 };

/* What a thread works with; more than most stacks' guard distance, so on the heap. */
struct work {
    struct crypt_data data;
    char password[PASSWORD_MAX_BYTES];
};

static bool is_possible(str_t password)
{
    return password.n > 0 && password.n < PASSWORD_MAX_BYTES &&
           memchr(password.p, '\0', password.n) == NULL;
}

/* The hash under a setting (or an old hash), or an empty string. */
static str_t hash_under(struct arena *a, str_t password, const char *setting)
{
    struct work *w = mem_alloc(sizeof(*w));
    char *hash;
    str_t out = { NULL, 0 };

    memcpy(w->password, password.p, password.n);
    hash = crypt_rn(w->password, setting, &w->data, sizeof(w->data));
    if (hash != NULL)
        out = arena_str(a, str_of(hash));
    crypto_wipe(w, sizeof(*w));
    mem_free(w);
    return out;
}

/* "{SHA512-CRYPT}$6$..." as Dovecot writes it, without the word. */
static str_t without_scheme(str_t hash)
{
    size_t end;

    if (hash.n == 0 || hash.p[0] != '{')
        return hash;
    end = str_find_char(hash, '}');
    return end == SIZE_MAX ? hash : str_skip(hash, end + 1);
}

static bool is_known_form(str_t hash)
{
    static const str_t forms[] = { STR("$y$"),  STR("$6$"),  STR("$5$"),
                                   STR("$2a$"), STR("$2b$"), STR("$2y$") };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (str_starts(hash, forms[i]))
            return true;
    return false;
}

enum rc password_hash(struct arena *a, str_t password, unsigned cost, str_t *out)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char salt[SALT_BYTES];

    if (!is_possible(password) || cost < PASSWORD_COST_MIN || cost > PASSWORD_COST_MAX)
        return RC_INVALID;
    crypto_random(salt, sizeof(salt));
    if (crypt_gensalt_rn("$y$", cost, salt, sizeof(salt), setting, sizeof(setting)) ==
        NULL)
        return RC_INVALID;
    *out = hash_under(a, password, setting);
    return out->n > 0 ? RC_OK : RC_INVALID;
}

bool password_verify(struct arena *a, str_t password, str_t hash)
{
    str_t got;

    hash = without_scheme(hash);
    if (!is_possible(password) || hash.n > PASSWORD_HASH_MAX_BYTES ||
        !is_known_form(hash))
        return false;
    got = hash_under(a, password, arena_cstr(a, hash));
    return got.n > 0 && crypto_equal(got, hash);
}
