/* metric.h - counters, gauges and histograms, and their text for a scraper.
 *
 * A metric is a static object beside the code that counts; registering makes it visible.
 * Labels are fixed per object ("command=\"FETCH\""), never taken from input, so that
 * their number is bounded and no person's address can become one.
 * Thread: any; updates are atomic.  Text: OpenMetrics 1.0.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct buf;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum { METRIC_BUCKETS = 16 };

struct metric {
    enum metric_kind kind;
    const char *name;   /* without _total; begins with "postbus_" */
    const char *labels; /* "" or "a=\"b\",c=\"d\"" */
    const char *help;
    _Atomic int64_t value;                       /* counter, gauge */
    _Atomic int64_t buckets[METRIC_BUCKETS + 1]; /* histogram, not cumulative */
    _Atomic int64_t sum_us;                      /* histogram */
    struct metric *next;                         /* set by metric_register */
};

/* At any time, in any order; m lives as long as the process. */
void metric_register(struct metric *m);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
/* Buckets double from 50 us to 1.6 s and the last holds the rest; exported in seconds. */
void metric_observe_us(struct metric *m, int64_t us);

void metric_render(struct buf *out); /* ends with "# EOF" */
