/* parcel.c - one leased row on its way: the message for one destination. */
#include "parcel.h"

#include "base/mem.h"

struct parcel *parcel_new(const struct store_remote_row *row, int64_t claimed_ms)
{
    struct parcel *p = mem_alloc(sizeof(*p));
    struct arena *a = arena_new();

    p->arena = a;
    p->row = *row;
    p->row.domain = arena_str(a, row->domain);
    p->row.sender = arena_str(a, row->sender);
    p->row.prefix = arena_str(a, row->prefix);
    p->row.envelope = arena_str(a, row->envelope);
    p->row.last_error = p->row.transport = p->row.destination = (str_t){ 0 };
    p->row.recipients = arena_array(a, row->recipient_count + 1, sizeof(str_t));
    for (size_t i = 0; i < row->recipient_count; i++)
        p->row.recipients[i] = arena_str(a, row->recipients[i]);
    p->leased_until_ms = claimed_ms + PARCEL_LEASE_S * 1000;
    return p;
}

void parcel_free(struct parcel **p)
{
    if (*p == NULL)
        return;
    arena_free(&(*p)->arena);
    mem_free(*p);
    *p = NULL;
}

void parcel_renewed(struct parcel *p, enum rc rc, int64_t asked_ms)
{
    if (rc == RC_OK)
        p->leased_until_ms = asked_ms + PARCEL_LEASE_S * 1000;
    else if (rc == RC_CONFLICT)
        p->leased_until_ms = 0;
}
