/* token_file.c - written beside its place and moved there, so that nobody reads half of
 * it. */
#include "token_file.h"

#include "base/crypto.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 4096 };

bool token_file_read(const char *path, char out[API_TOKEN_MAX_BYTES + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char raw[FILE_MAX_BYTES];
    ssize_t n = fd < 0 ? -1 : read(fd, raw, sizeof(raw));
    str_t token = str_trim(str_n(raw, n < 0 ? 0 : (size_t)n));

    if (n < 0) {
        verb_fail("cannot read the token in %s: %s", path, strerror(errno));
    } else if (!api_token_is(token)) {
        verb_fail(
            "%s holds no token; `postbusctl token create NAME --file FILE` makes one",
            path);
        n = -1;
    } else {
        memcpy(out, token.p, token.n);
        out[token.n] = '\0';
    }
    if (fd >= 0)
        close(fd);
    crypto_wipe(raw, sizeof(raw));
    return n >= 0;
}

bool token_file_write(const char *path, const char *token)
{
    char temporary[PATH_MAX];
    size_t n = strlen(token);
    bool done;
    int fd;

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    unlink(temporary); /* of a call that was broken off */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    done = fd >= 0 && write(fd, token, n) == (ssize_t)n && write(fd, "\n", 1) == 1 &&
           fsync(fd) == 0 && link(temporary, path) == 0;
    if (!done)
        verb_fail("cannot write %s: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    return done;
}
