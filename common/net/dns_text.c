/* dns_text.c - the text of a TXT record. */
#include "net/dns_text.h"

#include "base/arena.h"

#include <string.h>

enum rc dns_text(struct arena *a, str_t rdata, str_t *out)
{
    char *p = arena_alloc(a, rdata.n + 1);
    size_t n = 0;

    while (rdata.n > 0) {
        str_t one = str_n(rdata.p + 1, (unsigned char)rdata.p[0]);

        if (one.n + 1 > rdata.n)
            return RC_INVALID;
        memcpy(p + n, one.p, one.n);
        n += one.n;
        rdata = str_skip(rdata, one.n + 1);
    }
    *out = str_n(p, n);
    return RC_OK;
}
