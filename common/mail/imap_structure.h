/* imap_structure.h - a message as IMAP sees it: ENVELOPE, BODY, BODYSTRUCTURE, sections.
 *
 * Pure.  Linear in the message's size under the caps of mime.h.  RFC 9051 7.5.2, 6.4.5.
 * Thread: any.
 * Limits: of a header the first HEADER_MAX_BYTES and HEADER_MAX_FIELDS are seen, and all
 * addresses and parameters in them; malformed ones are left out alone.  Of the parts of a
 * message those beyond IMAP_STRUCTURE_MAX_BYTES of its BODYSTRUCTURE are shown by their
 * size only, and those beyond the caps of mime.h not at all.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

/* Appends "(...)". */
void imap_structure_envelope(struct arena *a, str_t message, struct buf *out);

/* Appends "(...)": BODYSTRUCTURE when extended, else BODY. */
void imap_structure_body(struct arena *a, str_t message, bool extended, struct buf *out);

/* Appends text as an nstring: quoted if it can be, else a literal; NIL for p == NULL. */
void imap_structure_nstring(struct buf *out, str_t text);

enum imap_structure_what {
    IMAP_STRUCTURE_ALL,        /* "" or "1.2": the message, or a part's body */
    IMAP_STRUCTURE_HEADER,     /* "HEADER" */
    IMAP_STRUCTURE_FIELDS,     /* "HEADER.FIELDS (...)" */
    IMAP_STRUCTURE_FIELDS_NOT, /* "HEADER.FIELDS.NOT (...)" */
    IMAP_STRUCTURE_TEXT,       /* "TEXT" */
    IMAP_STRUCTURE_MIME,       /* "1.2.MIME" */
};

enum {
    IMAP_STRUCTURE_MAX_NUMBERS = 100,
    IMAP_STRUCTURE_MAX_BYTES = 8 * 1024 * 1024,
};

struct imap_structure_section {
    enum imap_structure_what what;
    unsigned *numbers; /* "1.2" */
    size_t number_count;
    str_t *fields; /* names in HEADER.FIELDS, unquoted */
    str_t *sorted; /* the same, ascending without case: every field is looked up here */
    size_t field_count;
};

/* text is what stands between the brackets of BODY[...].  The field names may be quoted
 * (a caller with literals in the list replaces them by quoted strings first).
 * RC_INVALID: answer BAD; RC_LIMIT: too many numbers. */
enum rc imap_structure_section_parse(struct arena *a, str_t text,
                                     struct imap_structure_section *out) RC_CHECKED;

/* True if no MIME parse is needed: the caller may answer from the header alone. */
bool imap_structure_section_is_header(const struct imap_structure_section *s);

/* The section's bytes: borrowed from the message, or composed in the arena for FIELDS.
 * RC_NOT_FOUND: the message has no such part, answer NIL. */
enum rc imap_structure_section_get(struct arena *a, str_t message,
                                   const struct imap_structure_section *s,
                                   str_t *out) RC_CHECKED;

/* Appends the canonical "1.2.HEADER.FIELDS (A B)" for the answer. */
void imap_structure_section_format(const struct imap_structure_section *s,
                                   struct buf *out);
