/* svc_listen.c - what an operator is told when nobody can listen. */
#include "svc/svc_listen.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

static const char *advice_for(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "end what listens there already, or choose another port";
    case EACCES:
    case EPERM:
        return "choose a port above 1023, or give the process CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "this machine does not have that address; choose another one";
    default:
        return "choose another address or port";
    }
}

void svc_listen_failed(const char *option, const char *address, int port)
{
    int error = errno;
    const char *name = strerrorname_np(error);

    log_error("service.listen_failed",
              "option=%s address=%s port=%d errno=%s reason=\"%s\" advice=\"%s\"", option,
              address[0] == '\0' ? "*" : address, port, name == NULL ? "?" : name,
              strerror(error), advice_for(error));
}
