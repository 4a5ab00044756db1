/* keys.h - CURVE keys of the cluster, derived from its one secret.
 *
 * Every process has the same key pair: whoever knows the secret is the cluster.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

enum { KEYS_Z85_BYTES = 41, KEYS_SECRET_MIN = 32 };

/* The CURVE secret key as Z85 with a NUL.  cluster_secret: any text of at least
 * KEYS_SECRET_MIN bytes; blanks and line ends around it do not count. */
void keys_derive(str_t cluster_secret, char out[KEYS_Z85_BYTES]);
