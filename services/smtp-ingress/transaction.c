/* transaction.c - one message between MAIL and the reply to its end of data. */
#include "transaction.h"

#include "base/arena.h"
#include "base/idn.h"
#include "base/buf.h"
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
    traffic_leave(&(*t)->pass);
    judge_forget((*t)->judgement);
    dkim_watch_free(&(*t)->dkim);
    spool_free(&(*t)->spool);
    spool_free(&(*t)->received);
    a = (*t)->arena;
    arena_free(&a);
    *t = NULL;
}

void transaction_put_spool(struct transaction *t, struct spool *changed)
{
    if (t->received == NULL)
        t->received = t->spool;
    else
        spool_free(&t->spool);
    t->spool = changed;
}

/* A longer copy of an array of count entries. */
static void *longer(struct arena *a, const void *p, size_t count, size_t room,
                    size_t size)
{
    char *more = arena_array(a, room, size);

    if (count > 0)
        memcpy(more, p, count * size);
    return more;
}

struct transaction_recipient *transaction_add_recipient(struct transaction *t,
                                                        str_t address)
{
    size_t n = t->recipient_count;

    if (n == t->recipient_room) {
        size_t room = n == 0 ? FIRST_ROOM : 2 * n;

        t->recipients = longer(t->arena, t->recipients, n, room, sizeof(*t->recipients));
        t->about = longer(t->arena, t->about, n, room, sizeof(*t->about));
        t->recipient_room = room;
    }
    t->recipients[n] = arena_str(t->arena, address);
    t->recipient_count++;
    t->about[n] = (struct transaction_recipient){ .takes_clear_text = false };
    return &t->about[n];
}

/* As far as there is room; what is said about plain ones was counted before. */
static void describe_targets(struct transaction *t, size_t i,
                             struct envelope_recipient *to, size_t *count, size_t *bytes)
{
    const struct transaction_recipient *about = &t->about[i];
    struct envelope_recipient r = { .notify = about->notify, .orcpt = about->orcpt };

    /* RFC 3461 5.2.7: a report names what its reader wrote. */
    if (r.orcpt.n == 0 && idn_is_ascii(t->recipients[i]))
        r.orcpt =
            str_of(arena_printf(t->arena, "rfc822;%.*s", STR_ARG(t->recipients[i])));
    for (size_t k = 0; k < about->target_count; k++) {
        r.address = about->targets[k];
        *bytes += envelope_recipient_bytes(t->arena, &r);
        if (*bytes <= ENVELOPE_RECIPIENTS_BYTES)
            to[(*count)++] = r;
    }
}

void transaction_describe(struct transaction *t, struct envelope *e)
{
    struct envelope_recipient *all =
        arena_array(t->arena, t->recipient_count + t->target_count, sizeof(*all));
    size_t bytes = t->envelope_bytes;

    e->recipients = all;
    for (size_t i = 0; i < t->recipient_count; i++) {
        if (t->about[i].refusal.n > 0)
            continue;
        if (t->about[i].target_count > 0)
            describe_targets(t, i, all, &e->recipient_count, &bytes);
        else if (t->about[i].notify != 0 || t->about[i].orcpt.n > 0)
            all[e->recipient_count++] =
                (struct envelope_recipient){ t->recipients[i], t->about[i].notify,
                                             t->about[i].orcpt };
    }
}

void transaction_drop_recipient(struct transaction *t, size_t index)
{
    size_t behind = --t->recipient_count - index;

    t->target_count -= t->about[index].target_count;
    memmove(&t->recipients[index], &t->recipients[index + 1],
            behind * sizeof(*t->recipients));
    memmove(&t->about[index], &t->about[index + 1], behind * sizeof(*t->about));
}

struct transaction_recipients transaction_keep_recipients(const struct transaction *t)
{
    size_t n = t->recipient_count;

    return (struct transaction_recipients){
        .recipients = longer(t->arena, t->recipients, n, n, sizeof(*t->recipients)),
        .about = longer(t->arena, t->about, n, n, sizeof(*t->about)),
        .recipient_count = n,
        .target_count = t->target_count,
    };
}

void transaction_put_back_recipients(struct transaction *t,
                                     const struct transaction_recipients *kept)
{
    t->recipients = kept->recipients;
    t->about = kept->about;
    t->recipient_count = t->recipient_room = kept->recipient_count;
    t->target_count = kept->target_count;
}

str_t *transaction_accepted(struct transaction *t, size_t *count)
{
    str_t *accepted =
        arena_array(t->arena, t->recipient_count + t->target_count, sizeof(*accepted));

    *count = 0;
    for (size_t i = 0; i < t->recipient_count; i++) {
        const struct transaction_recipient *about = &t->about[i];

        if (about->refusal.n > 0)
            continue;
        for (size_t k = 0; k < about->target_count; k++)
            accepted[(*count)++] = about->targets[k];
        if (about->target_count == 0)
            accepted[(*count)++] = t->recipients[i];
    }
    return accepted;
}

void transaction_answer_each(const struct transaction *t, struct buf *out, size_t mark)
{
    str_t reply = arena_str(t->arena, str_n(out->p + mark, out->n - mark));

    if (reply.n == 0)
        return;
    buf_truncate(out, mark);
    for (size_t i = 0; i < t->recipient_count; i++)
        buf_put(out, t->about[i].refusal.n > 0 ? t->about[i].refusal : reply);
}
