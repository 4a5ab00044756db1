/* db_outcome.h - what PostgreSQL's error codes mean to us.  Pure.  Thread: any. */
#pragma once

#include "base/rc.h"

/* False, and *out is not touched: nothing that is expected to happen. */
bool db_outcome_find(const char *sqlstate, enum rc *out);
