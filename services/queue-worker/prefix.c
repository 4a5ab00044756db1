/* prefix.c - the header fields that only foreign hosts see. */
#include "prefix.h"

#include "base/arena.h"
#include "mail/date.h"
#include "mail/envelope.h"

#include <inttypes.h>

/* RFC 5321 4.4 demands a trace field and counts hops by it; "from" is left out, because
 * it would say where the sender was.  RFC 6531 3.7.3, RFC 3848: the protocol's name. */
str_t prefix_compose(struct arena *a, const struct prefix_facts *f)
{
    char date[DATE_TEXT_BYTES];
    struct envelope e;
    const char *with;

    (void)envelope_parse(f->envelope, &e);
    with = e.smtputf8 ? (e.submission ? "UTF8SMTPSA" : "UTF8SMTPS")
                      : (e.submission ? "ESMTPSA" : "ESMTPS");
    return str_of(arena_printf(
        a, "Received: by %.*s (Postbus) with %s id %016" PRIx64 ";\r\n\t%.*s\r\n%.*s",
        STR_ARG(f->hostname), with, (uint64_t)f->body_id,
        STR_ARG(date_format(f->arrival_unix, date)), STR_ARG(f->signature)));
}
