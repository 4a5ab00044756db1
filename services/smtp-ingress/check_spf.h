/* check_spf.h - when a check has its turn, and its metrics; its row is in checks.def. */
#pragma once

#include <stdbool.h>

struct options;

/* An action of its own is on, or DMARC needs it. */
bool check_spf_is_wanted(const struct options *o);

void check_spf_register_metrics(void);
