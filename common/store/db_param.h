/* db_param.h - the parameters of a statement: a value and its type in PostgreSQL.
 *
 * Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DB_PARAMS_MAX = 24 };

/* A bound parameter, always binary.  The pointers must live until the statement has been
 * queued, not longer. */
enum db_type {
    DB_INT2,
    DB_INT4,
    DB_INT8,
    DB_BOOL,
    DB_TEXT,
    DB_BYTES,
    DB_INT4S,
    DB_INT8S,
    DB_TEXTS
};

struct db_param {
    enum db_type type;
    bool null;
    int64_t i;
    str_t s;
    const void *list; /* int32_t, int64_t or str_t */
    size_t n;         /* of list */
};

static inline struct db_param db_int2(int64_t v)
{
    return (struct db_param){ .type = DB_INT2, .i = v };
}
static inline struct db_param db_int4(int64_t v)
{
    return (struct db_param){ .type = DB_INT4, .i = v };
}
static inline struct db_param db_int8(int64_t v)
{
    return (struct db_param){ .type = DB_INT8, .i = v };
}
static inline struct db_param db_bool(bool v)
{
    return (struct db_param){ .type = DB_BOOL, .i = v };
}
static inline struct db_param db_text(str_t v)
{
    return (struct db_param){ .type = DB_TEXT, .s = v };
}
static inline struct db_param db_bytes(str_t v)
{
    return (struct db_param){ .type = DB_BYTES, .s = v };
}
static inline struct db_param db_null(enum db_type type)
{
    return (struct db_param){ .type = type, .null = true };
}
static inline struct db_param db_int4s(const int32_t *list, size_t n)
{
    return (struct db_param){ .type = DB_INT4S, .list = list, .n = n };
}
static inline struct db_param db_int8s(const int64_t *list, size_t n)
{
    return (struct db_param){ .type = DB_INT8S, .list = list, .n = n };
}
static inline struct db_param db_texts(const str_t *list, size_t n)
{
    return (struct db_param){ .type = DB_TEXTS, .list = list, .n = n };
}

#define DB_PARAMS(...)                                                                   \
    ((const struct db_param[]){ __VA_ARGS__ }),                                          \
        (sizeof((const struct db_param[]){ __VA_ARGS__ }) / sizeof(struct db_param))
#define DB_NO_PARAMS NULL, 0
