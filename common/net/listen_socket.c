/* listen_socket.c - bind, carefully.
 *
 * SO_REUSEPORT would let a second instance of the program take half of the first one's
 * callers without an error, so the first socket of a process tries the port without it.
 */
#include "net/listen_socket.h"

#include "base/log.h"
#include "net/addr.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096, /* who comes while many come waits here, not for a second attempt */
    /* A phone's radio sleeps between: long enough not to wake it, short enough to notice
     * within a quarter of an hour that it left. */
    KEEPALIVE_IDLE_S = 600,
    KEEPALIVE_INTERVAL_S = 60,
    KEEPALIVE_COUNT = 4,
};

static enum rc rc_of_errno(void)
{
    switch (errno) {
    case EADDRINUSE:
        return RC_EXISTS;
    case EACCES:
    case EPERM:
        return RC_DENIED;
    default:
        return RC_INVALID;
    }
}

/* errno tells of the failure, not of the closing. */
static enum rc give_up(int fd)
{
    enum rc rc = rc_of_errno();
    int error = errno;

    close(fd);
    errno = error;
    return rc;
}

static void set_options(int fd, int family, bool reuse_port)
{
    const int on = 1, off = 0, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S,
              tries = KEEPALIVE_COUNT;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
}

static enum rc bind_one(const struct addr *at, bool reuse_port, int *out)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(at, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return rc_of_errno();
    set_options(fd, sa.ss_family, reuse_port);
    if (bind(fd, (struct sockaddr *)&sa, n) != 0)
        return give_up(fd);
    *out = fd;
    return RC_OK;
}

static enum rc open_at(const struct listen_socket_options *o, const struct addr *at,
                       int *out)
{
    enum rc rc = RC_OK;
    int fd;

    if (o->reuse_port && !o->join) {
        rc = bind_one(at, false, &fd);
        if (rc != RC_OK)
            return rc;
        close(fd);
    }
    rc = bind_one(at, o->reuse_port, &fd);
    if (rc == RC_OK && listen(fd, BACKLOG) != 0)
        return give_up(fd);
    if (rc == RC_OK)
        *out = fd;
    return rc;
}

/* "" is one IPv6 socket that takes IPv4 as well; without IPv6 in the kernel, IPv4. */
static enum rc open_any(const struct listen_socket_options *o, int *out)
{
    struct addr any4 = { .family = 4, .port = o->port };
    struct addr any6 = { .family = 6, .port = o->port };
    enum rc rc = o->ipv4_only ? RC_INVALID : open_at(o, &any6, out);

    return rc == RC_INVALID ? open_at(o, &any4, out) : rc;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    struct addr a;

    CHECK(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    CHECK(addr_from_sockaddr((struct sockaddr *)&sa, n, &a));
    return a.port;
}

/* A socket that nobody listens at any more. */
static bool is_left_over(const struct sockaddr_un *at)
{
    struct stat st;
    int fd;
    bool dead;

    if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    dead = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 &&
           errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return dead;
}

enum rc listen_socket_open_path(const char *path, int *out)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return RC_INVALID;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rc_of_errno();
    if (is_left_over(&at))
        unlink(path);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || chmod(path, 0666) != 0 ||
        listen(fd, BACKLOG) != 0)
        return give_up(fd);
    *out = fd;
    return RC_OK;
}

enum rc listen_socket_open(const struct listen_socket_options *o, int *fd, uint16_t *port)
{
    struct addr at;
    enum rc rc;

    if (o->address == NULL || o->address[0] == '\0') {
        rc = open_any(o, fd);
    } else {
        errno = EINVAL; /* no address at all */
        rc = addr_parse(str_of(o->address), &at);
        at.port = o->port;
        if (rc == RC_OK)
            rc = open_at(o, &at, fd);
    }
    if (rc == RC_OK)
        *port = bound_port(*fd);
    return rc;
}
