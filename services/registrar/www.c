/* www.c - a path is judged before the file system sees it. */
#include "www.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 1024, SEGMENTS_MAX = 16, FILE_MAX_BYTES = 8 << 20 };

static const struct {
    const char *extension;
    const char *type;
} types[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".json", "application/json" },
    { ".xml", "application/xml" },
    { ".txt", "text/plain; charset=utf-8" },
    { ".svg", "image/svg+xml" },
    { ".png", "image/png" },
    { ".jpg", "image/jpeg" },
    { ".jpeg", "image/jpeg" },
    { ".gif", "image/gif" },
    { ".webp", "image/webp" },
    { ".ico", "image/vnd.microsoft.icon" },
    { ".woff2", "font/woff2" },
    { ".pdf", "application/pdf" },
};

static const char *type_of(str_t path)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_ends_nocase(path, str_of(types[i].extension)))
            return types[i].type;
    return "application/octet-stream";
}

static bool is_plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '-' || c == '_';
}

static bool is_plain_segment(str_t s)
{
    if (s.n == 0)
        return false;
    if (s.p[0] == '.' && !str_eq(s, S(".well-known")))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_plain_char(s.p[i]))
            return false;
    return true;
}

static bool has_extension(str_t path)
{
    size_t i = path.n;

    while (i > 0 && path.p[i - 1] != '/') {
        i--;
        if (path.p[i] == '.')
            return true;
    }
    return false;
}

static enum rc read_all(int fd, struct arena *a, str_t *body)
{
    struct stat st;
    size_t got = 0;
    char *p;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return RC_NOT_FOUND;
    if (st.st_size > FILE_MAX_BYTES)
        return RC_LIMIT;
    p = arena_alloc(a, (size_t)st.st_size + 1);
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, p + got, (size_t)st.st_size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* cut while we read: what is there */
        got += (size_t)n;
    }
    *body = str_n(p, got);
    return RC_OK;
}

/* name: relative to the folder. */
static enum rc read_file(int folder, struct arena *a, const char *name, const char **type,
                         str_t *body)
{
    /* Non-blocking, so that a pipe that lies there by mistake holds no thread. */
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum rc rc;

    if (fd < 0)
        return RC_NOT_FOUND;
    rc = read_all(fd, a, body);
    close(fd);
    *type = type_of(str_of(name));
    return rc;
}

int www_open(const char *folder)
{
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool www_is_plain_path(str_t path)
{
    size_t segments = 0;
    str_t segment;

    if (path.n == 0 || path.n > PATH_MAX_BYTES || path.p[0] != '/')
        return false;
    path = str_skip(path, 1);
    while (str_split(&path, '/', &segment))
        if (++segments > SEGMENTS_MAX || !is_plain_segment(segment))
            return false;
    return true;
}

enum rc www_read(int folder, struct arena *a, str_t path, const char **type, str_t *body)
{
    str_t name = str_skip(path, 1);
    enum rc rc;

    if (folder < 0 || !www_is_plain_path(path))
        return RC_NOT_FOUND;
    if (path.p[path.n - 1] == '/')
        return read_file(folder, a, arena_printf(a, "%.*sindex.html", STR_ARG(name)),
                         type, body);
    rc = read_file(folder, a, arena_cstr(a, name), type, body);
    if (rc == RC_NOT_FOUND && !has_extension(path))
        rc =
            read_file(folder, a, arena_printf(a, "%.*s.html", STR_ARG(name)), type, body);
    return rc;
}
