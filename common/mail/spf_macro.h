/* spf_macro.h - the macros in an SPF record's domains and explanations.
 *
 * What a letter stands for is handed in as text.  The validated name (%{p}) has to be
 * asked for first: spf_macro_has_p tells whether it is needed.
 * Limits: SPF_MACRO_MAX_BYTES of result, beyond which a domain is cut at its left side as
 * RFC 7208 7.3 wants, and an explanation is none.
 * Pure.  Thread: any.  RFC 7208 7, 12; RFC 3986 2.3 for what is not escaped.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;

enum { SPF_MACRO_MAX_BYTES = 512 };

struct spf_macro_values {
    str_t local;             /* %{l}; with '@' and sender_domain it is %{s} */
    str_t sender_domain;     /* %{o} */
    str_t domain;            /* %{d} */
    str_t helo;              /* %{h} */
    str_t receiver;          /* %{r}; empty: unknown */
    str_t validated;         /* %{p}; empty: unknown */
    const unsigned char *ip; /* %{i} %{c} %{v}; network order */
    unsigned ip_bytes;       /* 4 or 16 */
    int64_t now_unix;        /* %{t} */
};

/* Grammars of RFC 7208 12.  A domain-spec ends in a macro or in a top label. */
bool spf_macro_is_domain_spec(str_t text);
bool spf_macro_is_string(str_t text); /* macro-string, with every letter */

bool spf_macro_has_p(str_t text); /* of a well-formed text */

/* A well-formed domain-spec becomes a name of at most 253 bytes without a final dot,
 * which need not be one that can be asked. */
str_t spf_macro_domain(struct arena *a, const struct spf_macro_values *v, str_t spec);

/* RC_INVALID: not an explain-string; RC_LIMIT: too long, or with bytes in it that no
 * reply can have. */
enum rc spf_macro_explain(struct arena *a, const struct spf_macro_values *v, str_t text,
                          str_t *out) RC_CHECKED;
