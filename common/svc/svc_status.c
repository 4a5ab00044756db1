/* svc_status.c - two lists: what was missing at the last look, and at this one. */
#include "svc/svc_status.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS_MAX = 24 };

struct item {
    char what[64], reason[480];
    bool required, quiet;
};

struct list {
    struct item items[ITEMS_MAX];
    int count;
};

struct svc_status {
    pthread_mutex_t lock;
    const char *service;
    struct list last; /* under lock */
    struct list now;  /* main thread */
    bool was_ended;   /* under lock: before the first look nothing is known */
};

static struct metric ready = { METRIC_GAUGE,
                               "postbus_ready",
                               "",
                               "1 while the service has all it needs.",
                               0,
                               { 0 },
                               0,
                               NULL };
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    metric_register(&ready);
}

struct svc_status *svc_status_new(const char *service)
{
    struct svc_status *s = mem_alloc(sizeof(*s));

    pthread_once(&metrics_once, register_metrics);
    pthread_mutex_init(&s->lock, NULL);
    s->service = service;
    return s;
}

void svc_status_free(struct svc_status **s)
{
    if (*s == NULL)
        return;
    pthread_mutex_destroy(&(*s)->lock);
    mem_free(*s);
    *s = NULL;
}

void svc_status_begin(struct svc_status *s)
{
    s->now.count = 0;
}

void svc_status_missing(struct svc_status *s, const char *what, const char *reason,
                        bool required, bool quiet)
{
    struct item *i;

    CHECK(s->now.count < ITEMS_MAX);
    i = &s->now.items[s->now.count++];
    snprintf(i->what, sizeof(i->what), "%s", what);
    snprintf(i->reason, sizeof(i->reason), "%s", reason);
    i->required = required;
    i->quiet = quiet;
}

static const struct item *find(const struct list *l, const char *what)
{
    for (int i = 0; i < l->count; i++) {
        if (strcmp(l->items[i].what, what) == 0)
            return &l->items[i];
    }
    return NULL;
}

static bool is_ready(const struct svc_status *s)
{
    bool yes = s->was_ended;

    for (int i = 0; i < s->last.count; i++)
        yes &= !s->last.items[i].required;
    return yes;
}

static void log_changes(const struct list *last, const struct list *now)
{
    for (int i = 0; i < now->count; i++) {
        const struct item *new = &now->items[i], *old = find(last, new->what);

        if (!new->quiet &&
            (old == NULL || old->quiet || strcmp(old->reason, new->reason) != 0))
            log_warn("service.missing", "what=\"%s\" reason=\"%s\"", new->what,
                     new->reason);
    }
    for (int i = 0; i < last->count; i++) {
        const struct item *old = &last->items[i];

        if (!old->quiet && find(now, old->what) == NULL)
            log_info("service.found", "what=\"%s\"", old->what);
    }
}

void svc_status_end(struct svc_status *s)
{
    bool before, after;

    pthread_mutex_lock(&s->lock);
    before = is_ready(s);
    log_changes(&s->last, &s->now);
    s->last = s->now;
    s->was_ended = true;
    after = is_ready(s);
    pthread_mutex_unlock(&s->lock);
    metric_set(&ready, after);
    if (before != after)
        log_info(after ? "service.ready" : "service.not_ready", " ");
}

static void put_json(struct buf *to, const char *text)
{
    str_t rest = str_of(text);
    size_t n;

    buf_putc(to, '"');
    for (; rest.n > 0; rest = str_skip(rest, n > 0 ? n : 1)) {
        unsigned char c = (unsigned char)rest.p[0];

        n = str_utf8_bytes(rest);
        if (n == 0)
            buf_putc(to, '?');
        else if (c < 0x20 || c == '"' || c == '\\')
            buf_printf(to, "\\u%04x", c);
        else
            buf_put(to, str_head(rest, n));
    }
    buf_putc(to, '"');
}

bool svc_status_render(struct svc_status *s, struct buf *to)
{
    bool yes;

    pthread_mutex_lock(&s->lock);
    yes = is_ready(s);
    buf_printf(to, "{\"service\":\"%s\",\"ready\":%s,\"missing\":[", s->service,
               yes ? "true" : "false");
    for (int i = 0; i < s->last.count; i++) {
        const struct item *it = &s->last.items[i];

        buf_puts(to, i == 0 ? "{\"what\":" : ",{\"what\":");
        put_json(to, it->what);
        buf_puts(to, ",\"reason\":");
        put_json(to, it->reason);
        buf_printf(to, ",\"required\":%s}", it->required ? "true" : "false");
    }
    buf_puts(to, "]}\n");
    pthread_mutex_unlock(&s->lock);
    return yes;
}
