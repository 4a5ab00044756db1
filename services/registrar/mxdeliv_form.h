/* mxdeliv_form.h - whom a request to /mxdeliv is from and for, as its header says it.
 *
 * X-MAIL-FROM is the sender, absent for the null sender; one X-MAIL-TO for each recipient
 * (chatmail spec 8.3).  What is no address by the grammar of port 25 goes no further, so
 * no value can be more than one word of an SMTP command.  Pure.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum {
    MXDELIV_FORM_RECIPIENTS_MAX = 100, /* as many as fields: see net/http_framer.h */
    MXDELIV_FORM_ADDRESS_BYTES =
        1900, /* with a verb and parameters it is one line of SMTP */
};

struct mxdeliv_form {
    str_t sender; /* empty: the null sender */
    str_t recipients[MXDELIV_FORM_RECIPIENTS_MAX];
    size_t recipient_count;
    bool utf8; /* an address is not ASCII */
};

/* NULL, or the reply with which port 25 would refuse it.  All strings are borrowed. */
const char *mxdeliv_form_read(struct arena *a, const str_t *from, size_t from_count,
                              const str_t *to, size_t to_count, struct mxdeliv_form *out);
