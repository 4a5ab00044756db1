/* transaction.c - one message between MAIL and the reply to its end of data. */
#include "transaction.h"

#include "base/arena.h"
#include "dkim_watch.h"
#include "judge.h"
#include "net/spool.h"

#include <string.h>

enum { FIRST_ROOM = 8 };

struct transaction *transaction_new(void)
{
    struct arena *a = arena_new();
    struct transaction *t = arena_alloc(a, sizeof(*t));

    t->arena = a;
    t->clear_text = true;
    return t;
}

void transaction_free(struct transaction **t)
{
    struct arena *a;

    if (*t == NULL)
        return;
    judge_forget((*t)->judgement);
    dkim_watch_free(&(*t)->dkim);
    spool_free(&(*t)->spool);
    a = (*t)->arena;
    arena_free(&a);
    *t = NULL;
}

void transaction_add_recipient(struct transaction *t, str_t address)
{
    if (t->recipient_count == t->recipient_room) {
        size_t room = t->recipient_room == 0 ? FIRST_ROOM : 2 * t->recipient_room;
        str_t *more = arena_array(t->arena, room, sizeof(*more));

        if (t->recipient_count > 0)
            memcpy(more, t->recipients, t->recipient_count * sizeof(*more));
        t->recipients = more;
        t->recipient_room = room;
    }
    t->recipients[t->recipient_count++] = arena_str(t->arena, address);
}
