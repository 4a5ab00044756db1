/* bus_socket.c - the options of every socket are set here. */
#include "bus/bus_socket.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void bus_socket_set_int(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

void bus_socket_set_text(void *socket, int option, const char *value)
{
    CHECK(zmq_setsockopt(socket, option, value, strlen(value)) == 0);
}

static void *open_socket(void *context, int type)
{
    void *s = zmq_socket(context, type);

    CHECK(s != NULL);
    bus_socket_set_int(s, ZMQ_LINGER, 0);
    bus_socket_set_int(s, ZMQ_HEARTBEAT_IVL, 5000);
    bus_socket_set_int(s, ZMQ_HEARTBEAT_TIMEOUT, 10000);
    bus_socket_set_int(s, ZMQ_HEARTBEAT_TTL, 20000);
    bus_socket_set_int(s, ZMQ_HANDSHAKE_IVL, 5000);
    bus_socket_set_int(s, ZMQ_SNDHWM, 1000);
    bus_socket_set_int(s, ZMQ_RCVHWM, 1000);
    CHECK(zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &(int64_t){ MSG_BODY_MAX },
                         sizeof(int64_t)) == 0);
    return s;
}

void *bus_socket_binder(void *context, int type, const struct bus_zap_key *key)
{
    void *s = open_socket(context, type);

    bus_socket_set_int(s, ZMQ_CURVE_SERVER, 1);
    bus_socket_set_text(s, ZMQ_CURVE_SECRETKEY, key->secret_text);
    bus_socket_set_text(s, ZMQ_ZAP_DOMAIN, "postbus");
    return s;
}

void *bus_socket_connector(void *context, int type)
{
    void *s = open_socket(context, type);

    /* Nothing is kept for a peer that is not there: it gets all subscriptions anew. */
    bus_socket_set_int(s, ZMQ_IMMEDIATE, 1);
    bus_socket_set_int(s, ZMQ_RECONNECT_IVL, 200);
    bus_socket_set_int(s, ZMQ_RECONNECT_IVL_MAX, 2000);
    bus_socket_set_int(s, ZMQ_CONNECT_TIMEOUT, 3000);
    return s;
}

void *bus_socket_monitor(void *context, void *socket, const char *name)
{
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_DISCONNECTED;
    void *pair = zmq_socket(context, ZMQ_PAIR);

    CHECK(pair != NULL && zmq_socket_monitor(socket, name, events) == 0);
    bus_socket_set_int(pair, ZMQ_RCVHWM, 0);
    CHECK(zmq_connect(pair, name) == 0);
    return pair;
}

enum rc bus_socket_bind(void *socket, const char *address, int port,
                        char error[BUS_ERROR_BYTES])
{
    bool bare_ipv6 = strchr(address, ':') != NULL && address[0] != '[';
    char endpoint[300];

    bus_socket_set_int(socket, ZMQ_IPV6, strspn(address, "0123456789.") == 0);
    snprintf(endpoint, sizeof(endpoint), bare_ipv6 ? "tcp://[%s]:%d" : "tcp://%s:%d",
             address, port);
    if (zmq_bind(socket, endpoint) == 0)
        return RC_OK;
    snprintf(error, BUS_ERROR_BYTES, "cannot listen on %s: %s (errno %d)", endpoint,
             zmq_strerror(errno), errno);
    return RC_EXISTS;
}

size_t bus_socket_receive(void *socket, zmq_msg_t *parts, size_t max)
{
    size_t n = 0;
    bool more = true;

    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        more = zmq_msg_more(&part);
        if (n < max)
            parts[n++] = part;
        else
            zmq_msg_close(&part);
    }
    return n;
}

void bus_socket_close_parts(zmq_msg_t *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        zmq_msg_close(&parts[i]);
}

str_t bus_socket_part(zmq_msg_t *part)
{
    return str_n(zmq_msg_data(part), zmq_msg_size(part));
}
