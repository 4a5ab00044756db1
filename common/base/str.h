/* str.h - a borrowed piece of bytes: pointer and length, never NUL-terminated by
 * contract.
 *
 * Everything that comes from the wire is a str_t, so that a NUL byte or a missing
 * terminator can never move a boundary.  Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *p;
    size_t n; /* [bytes] */
} str_t;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A string literal as str_t, also in static initialisers. */
#define STR(literal)                                                                     \
    {                                                                                    \
        "" literal, sizeof(literal) - 1                                                  \
    }
#define S(literal) ((str_t)STR(literal))

/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

str_t str_of(const char *c_string); /* NULL gives an empty str_t */
str_t str_n(const char *p, size_t n);

bool str_eq(str_t a, str_t b);
bool str_eq_nocase(str_t a, str_t b); /* ASCII only */
bool str_starts(str_t s, str_t prefix);
bool str_starts_nocase(str_t s, str_t prefix);
bool str_ends_nocase(str_t s, str_t suffix);
int str_compare(str_t a, str_t b); /* bytewise, like memcmp */

/* Offset of the first match, or SIZE_MAX. */
size_t str_find_char(str_t s, char c);
size_t str_find(str_t s, str_t needle);

/* The same for ASCII letters in any case; needle has at most STR_NEEDLE_MAX bytes.  Both
 * may be hostile: the time does not depend on how nearly they match. */
enum { STR_NEEDLE_MAX = 1024 };
size_t str_find_nocase(str_t s, str_t needle);

str_t str_skip(str_t s, size_t n); /* without its first n bytes; empty if shorter */
str_t str_head(str_t s, size_t n); /* at most its first n bytes */
str_t str_trim(str_t s);           /* without SP, TAB, CR, LF at both ends */

/* Cut s at the first sep: *head is what stands before it and *s what follows.
 * Without sep, *head is all and *s becomes empty.  False when *s is empty at the call. */
bool str_split(str_t *s, char sep, str_t *head);

/* Decimal number without sign or blanks, at most max. */
bool str_to_u64(str_t s, uint64_t max, uint64_t *out);

unsigned char str_lower_char(unsigned char c); /* ASCII only, independent of the locale */

bool str_is_digit(char c); /* 0 to 9 */
int str_hex_value(char c); /* 0 to 15, in either case; -1: no hexadecimal digit */

/* Length of the well-formed UTF-8 character (RFC 3629) that s begins with; 0: none. */
size_t str_utf8_bytes(str_t s);

/* The text of a number that is a macro, for SQL. */
#define STR_NUMBER(macro)   STR_NUMBER_AS(macro)
#define STR_NUMBER_AS(text) #text
