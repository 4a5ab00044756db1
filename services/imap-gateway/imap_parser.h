/* imap_parser.h - read the words of one framed IMAP command from left to right.
 *
 * Pure: allocates only from the given arena, for quoted strings with escapes.  What it
 * returns is borrowed from the command's bytes or lies in the arena.  Every function that
 * returns false leaves the position where it was.  More blanks than the grammar has are
 * tolerated between words (clients in the field send them).
 * Thread: one owner.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

struct imap_parser {
    const char *p;
    const char *end;
    struct arena *arena;
    const char *start;
    /* Why an argument was refused, see imap_parser_refuse. */
    const char *code, *wrong;
};

/* command: bytes of one command, with or without its last end of line. */
void imap_parser_init(struct imap_parser *in, struct arena *a, str_t command);

/* What is wrong, in our own words, for imap_reply_args.  code: NULL for an error of the
 * grammar (BAD), else a response code (NO: it is well formed but cannot be).  Always
 * false. */
bool imap_parser_refuse(struct imap_parser *in, const char *code, const char *wrong);

bool imap_parser_space(struct imap_parser *in);        /* one blank or more */
void imap_parser_skip_spaces(struct imap_parser *in);  /* none or more */
bool imap_parser_char(struct imap_parser *in, char c); /* exactly c */
bool imap_parser_peek(const struct imap_parser *in, char c);
bool imap_parser_end(struct imap_parser *in); /* nothing but blanks and an end of line */

/* RFC 9051 9: tag, atom, and an atom that is the given word in any case. */
bool imap_parser_tag(struct imap_parser *in, str_t *out);
bool imap_parser_atom(struct imap_parser *in, str_t *out);
bool imap_parser_word(struct imap_parser *in, str_t word);

/* Letters, digits, '.', '-' and '_': names of FETCH items, which stop at '['. */
bool imap_parser_name(struct imap_parser *in, str_t *out);

/* Quoted string or literal; 8-bit bytes are let through, NUL, CR and LF in quotes not. */
bool imap_parser_string(struct imap_parser *in, str_t *out);
bool imap_parser_astring(struct imap_parser *in, str_t *out);
/* A mailbox name as it stands there.  Unquoted letters beyond ASCII are read too, so that
 * the name is refused and not the command. */
bool imap_parser_mailbox(struct imap_parser *in, str_t *out);
/* NIL gives an empty str_t whose p is NULL. */
bool imap_parser_nstring(struct imap_parser *in, str_t *out);
/* An astring in which '%' and '*' may stand unquoted: LIST's pattern. */
bool imap_parser_pattern(struct imap_parser *in, str_t *out);

bool imap_parser_number(struct imap_parser *in, uint64_t max, uint64_t *out);
/* A flag or keyword, "\" included. */
bool imap_parser_flag(struct imap_parser *in, str_t *out);
/* Digits, ':', ',' and '*': the text of a sequence set, which imap_set judges. */
bool imap_parser_set_text(struct imap_parser *in, str_t *out);
