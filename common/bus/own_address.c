/* own_address.c - compare with the addresses of this host's interfaces. */
#include "bus/own_address.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

/* The IP of "tcp://IP:PORT" into host; false unless PORT is port. */
static bool split(const char *endpoint, int port, char *host, size_t room)
{
    str_t text = str_of(endpoint);
    char tail[16];
    str_t end;

    end = str_n(tail, (size_t)snprintf(tail, sizeof(tail), ":%d", port));
    if (!str_starts(text, S("tcp://")) || !str_ends_nocase(text, end))
        return false;
    text = str_skip(str_head(text, text.n - end.n), 6);
    if (text.n >= 2 && text.p[0] == '[')
        text = str_n(text.p + 1, text.n - 2);
    if (text.n >= room)
        return false;
    memcpy(host, text.p, text.n);
    host[text.n] = '\0';
    return true;
}

static bool same(const struct sockaddr *a, const char *host)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (a == NULL)
        return false;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text,
                  sizeof(text));
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, text,
                  sizeof(text));
    return strcmp(text, host) == 0;
}

bool own_address_is(const char *endpoint, int port)
{
    char host[INET6_ADDRSTRLEN];
    struct ifaddrs *all;
    bool own = false;

    if (!split(endpoint, port, host, sizeof(host)) || getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !own; i = i->ifa_next)
        own = same(i->ifa_addr, host);
    freeifaddrs(all);
    return own;
}
