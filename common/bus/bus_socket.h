/* bus_socket.h - ZeroMQ sockets as the bus wants them: encrypted, bounded, with
 * heartbeats.
 *
 * Sockets are void *, as everywhere in libzmq.  Thread: the bus thread, and the one that
 * starts and stops it.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "bus/bus.h"
#include "bus/bus_zap.h"

#include <stddef.h>
#include <zmq.h>

void bus_socket_set_int(void *socket, int option, int value);
void bus_socket_set_text(void *socket, int option, const char *value);

void *bus_socket_binder(void *context, int type, const struct bus_zap_key *key);
void *bus_socket_connector(void *context, int type);
/* A PAIR that tells of the socket's handshakes and losses; name: "inproc://..." */
void *bus_socket_monitor(void *context, void *socket, const char *name);

/* RC_EXISTS with a text in error: the port cannot be had. */
enum rc bus_socket_bind(void *socket, const char *address, int port,
                        char error[BUS_ERROR_BYTES]) RC_CHECKED;

/* Receives a whole message into parts; what does not fit is dropped.  Returns the number
 * of parts, 0 when there is none. */
size_t bus_socket_receive(void *socket, zmq_msg_t *parts, size_t max);
str_t bus_socket_part(zmq_msg_t *part);
void bus_socket_close_parts(zmq_msg_t *parts, size_t n);
