/* check_dmarc.h - the metrics of a check, which has its row in checks.def. */
#pragma once

void check_dmarc_register_metrics(void);
