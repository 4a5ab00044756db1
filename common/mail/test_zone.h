/* test_zone.h - a small DNS that answers what a table wants, for tests only. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "mail/dns_table.h"

#include <arpa/inet.h>
#include <string.h>

enum { TEST_ZONE_MAX = 1024, TEST_ZONE_CNAME = 5, TEST_ZONE_NOTHING = 0 };
enum { TEST_ZONE_TIMEOUT = -1 };

struct test_zone {
    struct arena *arena;
    size_t count, asked; /* asked: how many questions were answered */
    struct {
        str_t name, rdata; /* CNAME: the name as text */
        int type;
    } rows[TEST_ZONE_MAX];
};

static inline void test_zone_add(struct test_zone *z, str_t name, int type, str_t rdata)
{
    CHECK(z->count < TEST_ZONE_MAX);
    z->rows[z->count].name = arena_str(z->arena, name);
    z->rows[z->count].rdata = arena_str(z->arena, rdata);
    z->rows[z->count++].type = type;
}

static inline void test_zone_put_wire(struct buf *b, str_t name)
{
    str_t label;

    while (str_split(&name, '.', &label)) {
        if (label.n == 0)
            continue;
        buf_putc(b, (char)label.n);
        buf_put(b, label);
    }
    buf_putc(b, '\0');
}

/* Cut into strings of at most 255 bytes, as a name server does. */
static inline void test_zone_put_text(struct buf *b, str_t text)
{
    do {
        str_t piece = str_head(text, 255);

        buf_putc(b, (char)piece.n);
        buf_put(b, piece);
        text = str_skip(text, piece.n);
    } while (text.n > 0);
}

static inline void test_zone_text(struct test_zone *z, const char *name, const char *text)
{
    struct buf *b = arena_buf(z->arena, 65535);

    test_zone_put_text(b, str_of(text));
    test_zone_add(z, str_of(name), DNS_TABLE_TXT, buf_str(b));
}

static inline void test_zone_address(struct test_zone *z, const char *name,
                                     const char *text)
{
    unsigned char ip[16];
    bool v6 = strchr(text, ':') != NULL;

    CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, text, ip) == 1);
    test_zone_add(z, str_of(name), v6 ? DNS_TABLE_AAAA : DNS_TABLE_A,
                  str_n((const char *)ip, v6 ? 16 : 4));
}

static inline void test_zone_host(struct test_zone *z, const char *name, int type,
                                  const char *host)
{
    struct buf *b = arena_buf(z->arena, 512);

    if (type == DNS_TABLE_MX)
        buf_append(b, "\0\12", 2);
    test_zone_put_wire(b, str_of(host));
    test_zone_add(z, str_of(name), type, buf_str(b));
}

static inline void test_zone_lookup(struct test_zone *z, str_t name,
                                    struct dns_table_row *row, int depth)
{
    str_t *records = arena_array(z->arena, z->count + 1, sizeof(*records));
    bool fails = str_starts(name, S("error."));

    row->count = 0;
    row->records = records;
    row->state = DNS_TABLE_NXDOMAIN;
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 0; i < z->count; i++) {
        if (!str_eq_nocase(z->rows[i].name, name))
            continue;
        if (z->rows[i].type == TEST_ZONE_CNAME && depth < 8) {
            test_zone_lookup(z, z->rows[i].rdata, row, depth + 1);
            return;
        }
        row->state = DNS_TABLE_NODATA;
        fails = fails || z->rows[i].type == TEST_ZONE_TIMEOUT ||
                z->rows[i].type == TEST_ZONE_CNAME;
        if (z->rows[i].type == row->type)
            records[row->count++] = z->rows[i].rdata;
    }
    if (row->count > 0)
        row->state = DNS_TABLE_RECORDS;
    else if (fails)
        row->state = DNS_TABLE_FAILED;
}

/* Answers all that is wanted; how many that were. */
static inline size_t test_zone_answer(struct test_zone *z, struct dns_table *t)
{
    struct dns_table_row *row = NULL;
    size_t n = 0;

    while ((row = dns_table_wanted(t, row)) != NULL) {
        test_zone_lookup(z, row->name, row, 0);
        n++;
    }
    z->asked += n;
    return n;
}
