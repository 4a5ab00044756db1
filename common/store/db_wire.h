/* db_wire.h - PostgreSQL's binary forms of parameters and columns.
 *
 * Pure.  What is decoded comes from our own server, yet every length is checked.
 * Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "store/db_param.h"

/* Parameters as libpq wants them. */
struct db_wire_bound {
    const char *values[DB_PARAMS_MAX];
    int lengths[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
    unsigned types[DB_PARAMS_MAX]; /* Oid */
};

/* At most DB_PARAMS_MAX; the bytes are borrowed from params or made in a.  Returns how
 * many bytes they are. */
size_t db_wire_bind(struct arena *a, const struct db_param *params, size_t n,
                    struct db_wire_bound *out);

int64_t db_wire_int(str_t bytes); /* 1, 2, 4 or 8 bytes */

/* Elements of a one-dimensional array; false: not one.  text: *texts, else *ints. */
bool db_wire_texts(struct arena *a, str_t bytes, str_t **texts, size_t *n);
bool db_wire_int4s(struct arena *a, str_t bytes, int32_t **ints, size_t *n);
