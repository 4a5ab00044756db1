/* pace.c - a few deadlines, moved by what happens. */
#include "pace.h"

const struct pace_limits pace_standard = {
    .quiet_ms = 300 * 1000, /* RFC 5321 4.5.3.2.7; Delta Chat counts on more than 60 s */
    .step_ms = 60 * 1000,
    .data_begins_ms = 300 * 1000, /* a thousand recipients lie in between */
    .data_stalls_ms = 180 * 1000, /* RFC 5321 4.5.3.2.5; phones lose their network */
    .data_ms = 3600 * 1000,       /* the largest message over the slowest phone network */
    .data_bytes_per_s = 500,
    .commands = 100,
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void pace_begin(struct pace *p, const struct pace_limits *limits, int64_t now_ms)
{
    *p = (struct pace){ .limits = limits,
                        .heard_at_ms = now_ms,
                        .step_by_ms = now_ms + limits->step_ms };
}

void pace_login(struct pace *p)
{
    p->known = true;
}

void pace_command(struct pace *p)
{
    p->commands++;
}

/* Once for each message: recipients one by one must not stretch the time. */
bool pace_recipient(struct pace *p, int64_t now_ms)
{
    if (p->has_recipient)
        return false;
    p->has_recipient = true;
    p->step_by_ms = now_ms + p->limits->data_begins_ms;
    return true;
}

void pace_data_begins(struct pace *p, int64_t now_ms)
{
    p->in_data = true;
    p->data_by_ms = now_ms + p->limits->data_stalls_ms;
    p->data_end_ms = now_ms + p->limits->data_ms;
}

/* Each byte buys time, but not more than data_stalls_ms ahead: what came fast at first
 * is no leave to stall later. */
bool pace_data(struct pace *p, size_t bytes, int64_t now_ms)
{
    int64_t bought_ms = (int64_t)bytes * 1000 / p->limits->data_bytes_per_s;
    int64_t most_ms = now_ms + p->limits->data_stalls_ms;

    p->data_by_ms = earlier(p->data_by_ms + bought_ms, most_ms);
    return p->data_by_ms == most_ms;
}

void pace_data_ends(struct pace *p, bool accepted, int64_t now_ms)
{
    p->in_data = false;
    p->has_recipient = false;
    p->step_by_ms = now_ms + p->limits->step_ms;
    if (accepted)
        p->commands = 0;
}

bool pace_dawdles(const struct pace *p)
{
    return !p->known && p->commands > p->limits->commands;
}

static int64_t over_at_ms(const struct pace *p)
{
    int64_t at_ms = p->heard_at_ms + p->limits->quiet_ms;

    if (p->in_data)
        return earlier(at_ms, earlier(p->data_by_ms, p->data_end_ms));
    return p->known ? at_ms : earlier(at_ms, p->step_by_ms);
}

bool pace_is_over(const struct pace *p, int64_t now_ms)
{
    return now_ms >= over_at_ms(p);
}

int64_t pace_wait_ms(const struct pace *p, int64_t now_ms)
{
    int64_t wait_ms = over_at_ms(p) - now_ms;

    return wait_ms > 0 ? wait_ms : 1;
}
