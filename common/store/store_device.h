/* store_device.h - push tokens of an account's devices.  Thread: the db's. */
#pragma once

#include "store/db.h"

enum {
    STORE_DEVICE_TOKENS_MAX = 100,
    STORE_DEVICE_TOKEN_BYTES_MAX = 1024,
    STORE_DEVICE_DAYS = 90
};

/* Adds or renews.  RC_LIMIT: token too long; of too many the oldest goes. */
enum rc store_device_put(struct db *db, int64_t account, str_t token) RC_CHECKED;
enum rc store_device_delete(struct db *db, int64_t account, str_t token) RC_CHECKED;
/* Those renewed within STORE_DEVICE_DAYS, newest first. */
enum rc store_device_list(struct arena *a, struct db *db, int64_t account, str_t **out,
                          size_t *n) RC_CHECKED;
