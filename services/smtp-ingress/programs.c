/* programs.c - what the checks need that ask other programs. */
#include "programs.h"

#include "base/arena.h"
#include "base/log.h"
#include "checks.h"
#include "milter_talk.h"
#include "net/http_client.h"
#include "svc/options.h"
#include "work/worker_pool.h"

enum { RSPAMD_AT_ONCE = 1024 };

static void open_command(struct programs *p, const struct options *o)
{
    struct worker_pool_options pool = { .name = "program",
                                        .count = (unsigned)o->command_at_once,
                                        .queue_max = (size_t)o->job_queue_max };
    const char *why;

    /* As the options were read, they were looked at. */
    CHECK(command_line_split(p->arena, str_of(o->command), &p->command, &why) == RC_OK);
    CHECK(command_line_codes(p->arena, str_of(o->command_codes), &p->codes, &why) ==
          RC_OK);
    p->pool = worker_pool_new(&pool);
}

static void open_milters(struct programs *p, const struct options *o)
{
    const char *why;

    CHECK(milters_parse(p->arena, str_of(o->milters), &p->milter_addresses, &why) ==
          RC_OK);
    p->milters = milter_talk_room_new();
}

struct programs *programs_new(const struct options *o)
{
    struct http_client_options http = { .reach = HTTP_CLIENT_ANY,
                                        .requests_max = RSPAMD_AT_ONCE };
    struct arena *a = arena_new();
    struct programs *p = arena_alloc(a, sizeof(*p));

    p->arena = a;
    if (checks_has(o, CHECKS_ROW_rspamd, CHECKS_BOTH))
        p->http = http_client_new(&http);
    if (checks_has(o, CHECKS_ROW_command, CHECKS_BOTH))
        open_command(p, o);
    if (checks_has(o, CHECKS_ROW_milter, CHECKS_BOTH))
        open_milters(p, o);
    return p;
}

void programs_free(struct programs **p)
{
    struct arena *a;

    if (*p == NULL)
        return;
    http_client_free(&(*p)->http);
    worker_pool_free(&(*p)->pool);
    milter_talk_room_free(&(*p)->milters);
    a = (*p)->arena;
    arena_free(&a);
    *p = NULL;
}

int64_t programs_connections(const struct options *o)
{
    int64_t count = checks_has(o, CHECKS_ROW_rspamd, CHECKS_BOTH) ? RSPAMD_AT_ONCE : 0;

    /* Of each program: its two pipes, its pidfd, and what wakes its thread. */
    if (checks_has(o, CHECKS_ROW_command, CHECKS_BOTH))
        count += 8 * o->command_at_once;
    if (checks_has(o, CHECKS_ROW_milter, CHECKS_BOTH))
        count += MILTER_TALK_AT_ONCE;
    return count;
}
