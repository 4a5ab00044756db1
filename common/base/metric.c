/* metric.c - a list of static objects, rendered in the order of registration. */
#include "base/metric.h"

#include "base/buf.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

enum { FIRST_BUCKET_US = 50 };

static struct metric *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The format wants all samples of a name together, so m goes behind the last of its name.
 */
void metric_register(struct metric *m)
{
    struct metric **at;

    pthread_mutex_lock(&lock);
    at = last;
    for (struct metric *other = first; other != NULL; other = other->next)
        if (strcmp(other->name, m->name) == 0)
            at = &other->next;
    m->next = *at;
    *at = m;
    if (at == last)
        last = &m->next;
    pthread_mutex_unlock(&lock);
}

void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, int64_t us)
{
    int64_t bound = FIRST_BUCKET_US;
    int i = 0;

    while (i < METRIC_BUCKETS && us > bound) {
        bound *= 2;
        i++;
    }
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
}

static void render_head(struct buf *out, const struct metric *m)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
               kinds[m->kind]);
}

static void render_value(struct buf *out, const struct metric *m)
{
    const char *suffix = m->kind == METRIC_COUNTER ? "_total" : "";
    int64_t v = atomic_load_explicit(&m->value, memory_order_relaxed);

    if (m->labels[0] == '\0')
        buf_printf(out, "%s%s %" PRId64 "\n", m->name, suffix, v);
    else
        buf_printf(out, "%s%s{%s} %" PRId64 "\n", m->name, suffix, m->labels, v);
}

static void render_histogram(struct buf *out, struct metric *m)
{
    const char *comma = m->labels[0] == '\0' ? "" : ",";
    int64_t bound = FIRST_BUCKET_US, total = 0;
    int64_t sum = atomic_load_explicit(&m->sum_us, memory_order_relaxed);

    for (int i = 0; i < METRIC_BUCKETS; i++, bound *= 2) {
        total += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", m->name, m->labels,
                   comma, (double)bound / 1e6, total);
    }
    total += atomic_load_explicit(&m->buckets[METRIC_BUCKETS], memory_order_relaxed);
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", m->name, m->labels, comma,
               total);
    buf_printf(out, "%s_count{%s} %" PRId64 "\n", m->name, m->labels, total);
    buf_printf(out, "%s_sum{%s} %g\n", m->name, m->labels, (double)sum / 1e6);
}

void metric_render(struct buf *out)
{
    const char *previous = "";

    pthread_mutex_lock(&lock);
    for (struct metric *m = first; m != NULL; m = m->next) {
        if (strcmp(previous, m->name) != 0)
            render_head(out, m);
        previous = m->name;
        if (m->kind == METRIC_HISTOGRAM)
            render_histogram(out, m);
        else
            render_value(out, m);
    }
    pthread_mutex_unlock(&lock);
    buf_puts(out, "# EOF\n");
}
