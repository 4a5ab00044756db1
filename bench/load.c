/* load.c - what all parts of the load generator share: state, samples, the end. */
#include "load.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct load_state load_state;

_Noreturn void load_fail(const char *what, str_t line)
{
    fprintf(stderr, "loadgen: %s: %.*s\n", what, STR_ARG(line));
    exit(1);
}

void load_sample(struct load_samples *s, int64_t us)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 4096 : s->cap * 2;
        s->us = mem_realloc(s->us, s->cap * sizeof(*s->us));
    }
    s->us[s->n++] = (float)us;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

double load_percentile(struct load_samples *s, double p)
{
    if (s->n == 0)
        return -1;
    qsort(s->us, s->n, sizeof(*s->us), compare);
    return (double)s->us[(size_t)((double)(s->n - 1) * p)] / 1000;
}
