/* db_wire.h - PostgreSQL's binary forms of parameters and columns.
 *
 * Pure.  What is decoded comes from our own server, yet every length is checked.
 * Thread: any.
 */
#pragma once

#include "store/db.h"

unsigned db_wire_oid(enum db_type type);

/* The bytes of one value; borrowed from p or made in a.  A NULL has p == NULL, and only
 * a NULL has. */
str_t db_wire_encode(struct arena *a, const struct db_param *p);

int64_t db_wire_int(str_t bytes); /* 1, 2, 4 or 8 bytes */

/* Elements of a one-dimensional array; false: not one.  text: *texts, else *ints. */
bool db_wire_texts(struct arena *a, str_t bytes, str_t **texts, size_t *n);
bool db_wire_int4s(struct arena *a, str_t bytes, int32_t **ints, size_t *n);
