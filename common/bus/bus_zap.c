/* bus_zap.c - every process of the cluster has the same key pair, so a peer is admitted
 * when its public key is ours. */
#include "bus/bus_zap.h"

#include "base/log.h"
#include "bus/bus_socket.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

static bool is_member(const struct bus_zap_keys *keys, const void *key, size_t n)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (n == BUS_ZAP_CURVE_BYTES &&
            memcmp(key, keys->key[i].public_raw, BUS_ZAP_CURVE_BYTES) == 0)
            return true;
    }
    return false;
}

enum rc bus_zap_add(struct bus_zap_keys *keys, const char *secret,
                    char error[BUS_ERROR_BYTES])
{
    struct bus_zap_key *k = &keys->key[keys->count];

    if (str_trim(str_of(secret)).n < KEYS_SECRET_MIN) {
        snprintf(error, BUS_ERROR_BYTES,
                 "the cluster's secret must have at least %d characters; `postbusctl "
                 "secret` prints a good one",
                 KEYS_SECRET_MIN);
        return RC_INVALID;
    }
    keys_derive(str_of(secret), k->secret_text);
    CHECK(zmq_curve_public(k->public_text, k->secret_text) == 0);
    CHECK(zmq_z85_decode(k->public_raw, k->public_text) != NULL);
    keys->count++;
    return RC_OK;
}

void *bus_zap_open(void *context)
{
    void *socket = zmq_socket(context, ZMQ_REP);

    CHECK(socket != NULL && zmq_bind(socket, "inproc://zeromq.zap.01") == 0);
    bus_socket_set_int(socket, ZMQ_LINGER, 0);
    return socket;
}

/* ZeroMQ RFC 27: version, request id, domain, address, identity, mechanism, key. */
bool bus_zap_answer(const struct bus_zap_keys *keys, void *socket, bool *refused)
{
    zmq_msg_t parts[7];
    size_t n = bus_socket_receive(socket, parts, ARRAY_LEN(parts));
    bool yes = false;

    *refused = false;
    if (n == 0)
        return false;
    if (n == ARRAY_LEN(parts) && str_eq(bus_socket_part(&parts[5]), S("CURVE")))
        yes = is_member(keys, zmq_msg_data(&parts[6]), zmq_msg_size(&parts[6]));
    *refused = !yes;
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, n > 1 ? zmq_msg_data(&parts[1]) : "",
             n > 1 ? zmq_msg_size(&parts[1]) : 0, ZMQ_SNDMORE);
    zmq_send(socket, yes ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
    bus_socket_close_parts(parts, n);
    return true;
}
