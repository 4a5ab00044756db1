/* checks.c - run the table. */
#include "checks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "ingress.h"
#include "session.h"

static const struct {
    const char *name;
    bool (*run)(struct check *c);
    unsigned phases, directions;
} rows[] = {
#define CHECK_ROW(id, phases, directions)                                                \
    { #id, check_##id, CHECKS_##phases, CHECKS_##directions },
#include "checks.def"
#undef CHECK_ROW
};

static struct metric refusals[] = {
#define CHECK_ROW(id, phases, directions)                                                \
    { .kind = METRIC_COUNTER,                                                            \
      .name = "postbus_smtp_refused",                                                    \
      .labels = "check=\"" #id "\"",                                                     \
      .help = "Senders, recipients and messages that a check refused." },
#include "checks.def"
#undef CHECK_ROW
};

struct check checks_of(const struct session *s, struct buf *out)
{
    return (struct check){
        .ingress = s->ingress,
        .direction = s->port->kind == PORT_SUBMISSION ? CHECKS_OUTGOING : CHECKS_INCOMING,
        .account = s->account,
        .account_address = str_of(s->account_address),
        .mail = s->mail,
        .now_us = clock_monotonic_us(),
        .out = out,
    };
}

bool checks_pass(struct check *c, enum checks_phase phase)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((rows[i].phases & phase) == 0 || (rows[i].directions & c->direction) == 0)
            continue;
        if (!rows[i].run(c)) {
            metric_add(&refusals[i], 1);
            log_info("smtp.refused", "check=%s", rows[i].name);
            return false;
        }
    }
    return true;
}

void checks_register_metrics(void)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        metric_register(&refusals[i]);
}
