/* operator_token.c - the file first, then the row: broken off between them, the next call
 * goes on with the file. */
#include "operator_token.h"

#include "base/crypto.h"
#include "store/store_api_token.h"
#include "token_file.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool is_absent(const char *path)
{
    return access(path, F_OK) != 0 && errno == ENOENT;
}

static bool make(const char *path)
{
    char token[API_TOKEN_TEXT_BYTES];
    bool made;

    api_token_make(token);
    made = token_file_write(path, token);
    crypto_wipe(token, sizeof(token));
    return made;
}

int operator_token_ensure(struct db *db, const char *path)
{
    unsigned char raw[API_TOKEN_HASH_BYTES];
    char token[API_TOKEN_MAX_BYTES + 1];
    enum rc rc;

    if ((is_absent(path) && !make(path)) || !token_file_read(path, token))
        return VERB_FAILED;
    api_token_hash(str_of(token), raw);
    crypto_wipe(token, sizeof(token));
    rc = store_api_token_ensure(db, S(OPERATOR_TOKEN_NAME),
                                str_n((const char *)raw, sizeof(raw)));
    if (rc == RC_OK)
        return VERB_DONE;
    if (rc != RC_DENIED)
        return verb_fail("the token in %s was not made valid: %s", path, rc_name(rc));
    printf(
        "the token in %s was revoked and stays so; remove the file and migrate again for "
        "another\n",
        path);
    return VERB_DONE;
}
