/* bus_zap.h - the cluster's keys, and who is admitted with them (ZAP, ZeroMQ RFC 27).
 *
 * Thread: the bus thread; bus_zap_add before it runs.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "bus/bus.h"
#include "bus/keys.h"

#include <stdbool.h>
#include <stddef.h>

enum { BUS_ZAP_KEYS_MAX = 2, BUS_ZAP_CURVE_BYTES = 32 };

/* [0] is the one that we listen with; both are tried when connecting. */
struct bus_zap_key {
    char public_text[KEYS_Z85_BYTES], secret_text[KEYS_Z85_BYTES];
    unsigned char public_raw[BUS_ZAP_CURVE_BYTES];
};

struct bus_zap_keys {
    struct bus_zap_key key[BUS_ZAP_KEYS_MAX];
    size_t count;
};

/* RC_INVALID with a text in error: the secret is too short. */
enum rc bus_zap_add(struct bus_zap_keys *keys, const char *secret,
                    char error[BUS_ERROR_BYTES]) RC_CHECKED;

/* A socket that libzmq asks about every peer that comes. */
void *bus_zap_open(void *context);
/* Answers one question, if there is one; *refused: the answer was no. */
bool bus_zap_answer(const struct bus_zap_keys *keys, void *socket, bool *refused);
