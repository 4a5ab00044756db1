/* check_dkim.h - the metrics of a check, which has its row in checks.def. */
#pragma once

void check_dkim_register_metrics(void);
