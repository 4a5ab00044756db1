/* listener.h - a port on a loop, and what a connection must pass before it is a session.
 *
 * One listener per loop; they share the port by SO_REUSEPORT: the first one is made with
 * join = false and finds out if another process has it, the others with join = true.
 * Thread: listener_new, _stop, _each, _free from any (they go to the loop).
 */
#pragma once

#include "base/rc.h"
#include "net/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cidr_list;
struct door;
struct listener;
struct metric;

struct listener_options {
    const char *address; /* literal, or "" for every address, IPv4 and IPv6 */
    bool ipv4_only;      /* for "" */
    uint16_t port;       /* 0: any free one, see listener_port */
    /* Instead of all these a socket in the file system, on one loop; who comes there has
     * no address (family 0).  NULL: none. */
    const char *path;
    bool join;               /* an earlier listener of this process has the port */
    struct tls_context *tls; /* implicit TLS; NULL: starts in the clear */
    /* PROXY protocol v2 is demanded of everybody, and believed of these only. */
    bool proxy_protocol;
    const struct cidr_list *trusted_proxies; /* to the door they are no network */
    struct door *door; /* shared by all listeners of a port; NULL: none */
    /* Said to whom the door refuses or shows out, if it can be; NULL: nothing. */
    const char *busy_text;
    struct conn_options conn;
    const struct conn_handler *handler;
    void *user;
    struct metric *open_gauge, *accepted_counter, *refused_counter; /* each may be NULL */
};

/* Options and what they point to outlive the listener.  RC_EXISTS: the port is taken;
 * RC_DENIED: not allowed; RC_INVALID: the address is none of ours. */
enum rc listener_new(struct loop *loop, const struct listener_options *o,
                     struct listener **out) RC_CHECKED;
uint16_t listener_port(const struct listener *l);

/* Accept no more; what is open stays. */
void listener_stop(struct listener *l);
/* Call fn for each session that is open (on_open was called, on_close was not). */
void listener_each(struct listener *l, void (*fn)(struct conn *c, void *arg), void *arg);
size_t listener_open_count(struct listener *l);

/* Stops, aborts what is open and waits for the last on_close.  Not from its own loop. */
void listener_free(struct listener **l);
