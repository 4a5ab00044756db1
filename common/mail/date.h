/* date.h - dates as text: RFC 5322 3.3 (4.3 when reading) and IMAP's INTERNALDATE.
 *
 * Pure: no clock, no locale, no time zone data.  Years 1900 to 9999.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { DATE_TEXT_BYTES = 40 }; /* enough for either form and its NUL */

/* "Sat, 21 Nov 2026 11:12:31 +0000" */
str_t date_format(int64_t unix_seconds, char out[DATE_TEXT_BYTES]);

/* "21-Nov-2026 11:12:31 +0000", without the quotes */
str_t date_format_internal(int64_t unix_seconds, char out[DATE_TEXT_BYTES]);

bool date_parse(str_t text, int64_t *unix_seconds);
/* The day of such a date as it is written, whatever the time and zone: its 00:00 UTC. */
bool date_parse_written_day(str_t text, int64_t *unix_seconds);
bool date_parse_internal(str_t text, int64_t *unix_seconds);

/* "1-Nov-2026" as in SEARCH SINCE: that day's 00:00 UTC. */
bool date_parse_day(str_t text, int64_t *unix_seconds);
