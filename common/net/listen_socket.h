/* listen_socket.h - a socket that listens, of TCP or in the file system.  Thread: any. */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

struct listen_socket_options {
    const char *address; /* literal, or "" or NULL: every address, IPv4 and IPv6 */
    bool ipv4_only;      /* for "" */
    uint16_t port;       /* 0: any free one */
    bool reuse_port; /* other sockets of this process will share or do share the port */
    bool join;       /* they do already: the port need not be free */
};

/* At a path: for everybody who may enter its folder.  What a dead process left there is
 * taken away; RC_EXISTS: somebody listens there, or it is no socket.  Otherwise as below.
 */
enum rc listen_socket_open_path(const char *path, int *fd) RC_CHECKED;

/* Non-blocking, keepalive, TCP_NODELAY; accepted sockets inherit the latter two.
 * RC_EXISTS: the port is taken; RC_DENIED: not allowed; RC_INVALID: not our address;
 * errno says more. */
enum rc listen_socket_open(const struct listen_socket_options *o, int *fd,
                           uint16_t *port) RC_CHECKED;
