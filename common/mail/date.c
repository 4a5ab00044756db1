/* date.c - calendar arithmetic and the two date grammars of mail. */
#include "mail/date.h"

#include <stdio.h>
#include <string.h>

enum { DAY_SECONDS = 24 * 60 * 60 };

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] =
    "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */

struct civil {
    int64_t year;
    unsigned month, day; /* from 1 */
    unsigned hour, minute, second;
    unsigned weekday; /* index into weekdays */
};

/* Days since 1970-01-01 in the Gregorian calendar.  Years begin in March here, so that
 * the leap day is the last one. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t era, year_of_era, day_of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - 719468;
}

static struct civil civil_from_unix(int64_t t)
{
    int64_t days = t / DAY_SECONDS, rest = t % DAY_SECONDS;
    int64_t era, day_of_era, year_of_era, day_of_year, month;
    struct civil c;

    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    c.weekday = (unsigned)((days % 7 + 7) % 7);
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day_of_era = days - era * 146097;
    year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    c.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    c.month = (unsigned)(month < 10 ? month + 3 : month - 9);
    c.year = year_of_era + era * 400 + (c.month <= 2);
    c.hour = (unsigned)(rest / 3600);
    c.minute = (unsigned)(rest / 60 % 60);
    c.second = (unsigned)(rest % 60);
    return c;
}

static int64_t within_range(int64_t t)
{
    const int64_t first = days_from_civil(1900, 1, 1) * DAY_SECONDS;
    const int64_t last = days_from_civil(10000, 1, 1) * DAY_SECONDS - 1;

    return t < first ? first : t > last ? last : t;
}

str_t date_format(int64_t unix_seconds, char out[DATE_TEXT_BYTES])
{
    struct civil c = civil_from_unix(within_range(unix_seconds));
    int n = snprintf(out, DATE_TEXT_BYTES, "%.3s, %02u %.3s %04d %02u:%02u:%02u +0000",
                     weekdays + c.weekday * 3, c.day % 100, months + (c.month - 1) * 3,
                     (int)c.year, c.hour, c.minute, c.second);

    return str_n(out, (size_t)n);
}

str_t date_format_internal(int64_t unix_seconds, char out[DATE_TEXT_BYTES])
{
    struct civil c = civil_from_unix(within_range(unix_seconds));
    int n =
        snprintf(out, DATE_TEXT_BYTES, "%02u-%.3s-%04d %02u:%02u:%02u +0000", c.day % 100,
                 months + (c.month - 1) * 3, (int)c.year, c.hour, c.minute, c.second);

    return str_n(out, (size_t)n);
}

/* ---- reading ---- */

/* Blanks, folds and comments. */
static void skip_blanks(str_t *s)
{
    size_t depth = 0, i = 0;

    for (; i < s->n; i++) {
        char c = s->p[i];

        if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *s = str_skip(*s, i);
}

static bool take_char(str_t *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

/* A number of at least least and at most most digits. */
static bool take_number(str_t *s, size_t least, size_t most, unsigned *out)
{
    size_t n = 0;
    uint64_t value;

    while (n < s->n && n < most && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    if (n < least || !str_to_u64(str_head(*s, n), 999999, &value))
        return false;
    *out = (unsigned)value;
    *s = str_skip(*s, n);
    return true;
}

static bool take_month(str_t *s, unsigned *out)
{
    for (unsigned i = 0; i < 12; i++) {
        if (str_starts_nocase(*s, str_n(months + i * 3, 3))) {
            *out = i + 1;
            *s = str_skip(*s, 3);
            return true;
        }
    }
    return false;
}

/* RFC 5322 4.3: two digits mean 1950 to 2049, three count from 1900. */
static bool take_year(str_t *s, int64_t *out)
{
    size_t before = s->n;
    unsigned year;

    if (!take_number(s, 2, 4, &year))
        return false;
    if (before - s->n == 2)
        year += year < 50 ? 2000 : 1900;
    else if (before - s->n == 3)
        year += 1900;
    *out = year;
    return year >= 1900;
}

/* "+0100" in seconds; the old names of RFC 5322 4.3; unknown letters mean UTC. */
static bool take_zone(str_t *s, int64_t *out)
{
    static const struct {
        str_t name;
        int hours;
    } zones[] = { { STR("EST"), -5 }, { STR("EDT"), -4 }, { STR("CST"), -6 },
                  { STR("CDT"), -5 }, { STR("MST"), -7 }, { STR("MDT"), -6 },
                  { STR("PST"), -8 }, { STR("PDT"), -7 } };
    bool minus = s->n > 0 && s->p[0] == '-';
    unsigned zone;

    *out = 0;
    if (take_char(s, '+') || take_char(s, '-')) {
        if (!take_number(s, 4, 4, &zone) || zone % 100 > 59 || zone > 2359)
            return false;
        *out = (int64_t)(zone / 100 * 3600 + zone % 100 * 60) * (minus ? -1 : 1);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (str_starts_nocase(*s, zones[i].name))
            *out = zones[i].hours * 3600;
    }
    return true;
}

static unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static bool to_unix(const struct civil *c, int64_t zone, int64_t *out)
{
    if (c->day < 1 || c->day > days_in_month(c->year, c->month) || c->hour > 23 ||
        c->minute > 59 || c->second > 60)
        return false;
    *out = days_from_civil(c->year, c->month, c->day) * DAY_SECONDS + c->hour * 3600 +
           c->minute * 60 + c->second - zone;
    return *out == within_range(*out);
}

/* "11:12" or "11:12:31" */
static bool take_time(str_t *s, struct civil *c)
{
    c->second = 0;
    if (!take_number(s, 1, 2, &c->hour) || !take_char(s, ':') ||
        !take_number(s, 2, 2, &c->minute))
        return false;
    return !take_char(s, ':') || take_number(s, 2, 2, &c->second);
}

/* "Sat, 21 Nov 2026"; the weekday says nothing that the date does not. */
static bool take_date(str_t *s, struct civil *c)
{
    size_t comma = str_find_char(str_head(*s, 64), ',');

    *c = (struct civil){ .hour = 0 };
    if (comma != SIZE_MAX)
        *s = str_skip(*s, comma + 1);
    skip_blanks(s);
    if (!take_number(s, 1, 2, &c->day))
        return false;
    skip_blanks(s);
    if (!take_month(s, &c->month))
        return false;
    skip_blanks(s);
    return take_year(s, &c->year);
}

bool date_parse(str_t text, int64_t *unix_seconds)
{
    int64_t zone = 0;
    struct civil c;

    if (!take_date(&text, &c))
        return false;
    skip_blanks(&text);
    if (!take_time(&text, &c))
        return false;
    skip_blanks(&text);
    return take_zone(&text, &zone) && to_unix(&c, zone, unix_seconds);
}

bool date_parse_written_day(str_t text, int64_t *unix_seconds)
{
    struct civil c;

    return take_date(&text, &c) && to_unix(&c, 0, unix_seconds);
}

/* "1-Nov-2026", " 1-Nov-2026" or "01-Nov-2026" */
static bool take_day(str_t *s, struct civil *c)
{
    take_char(s, ' ');
    return take_number(s, 1, 2, &c->day) && take_char(s, '-') &&
           take_month(s, &c->month) && take_char(s, '-') && s->n >= 4 &&
           take_year(s, &c->year);
}

bool date_parse_internal(str_t text, int64_t *unix_seconds)
{
    int64_t zone;
    struct civil c;

    if (!take_day(&text, &c) || !take_char(&text, ' ') || !take_time(&text, &c) ||
        !take_char(&text, ' ') || text.n != 5 || !take_zone(&text, &zone) || text.n != 0)
        return false;
    return to_unix(&c, zone, unix_seconds);
}

bool date_parse_day(str_t text, int64_t *unix_seconds)
{
    struct civil c = { .hour = 0 };

    return take_day(&text, &c) && text.n == 0 && to_unix(&c, 0, unix_seconds);
}
