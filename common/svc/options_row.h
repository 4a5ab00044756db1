/* options_row.h - the table of options as data, and how each kind reads its text.
 *
 * Thread: any; nothing changes.
 */
#pragma once

#include "svc/options.h"

struct arena;

enum options_kind {
    OPTIONS_INT,
    OPTIONS_REAL,
    OPTIONS_SIZE,
    OPTIONS_BOOL,
    OPTIONS_PORT,
    OPTIONS_TEXT,
    OPTIONS_SECRET,
    OPTIONS_CHOICE,
    OPTIONS_DOMAIN,
    OPTIONS_LABEL,
    OPTIONS_HOST,
    OPTIONS_HOSTS,
    OPTIONS_ADDRESS,
    OPTIONS_URL,
    OPTIONS_MAIL,
    OPTIONS_FILE,
    OPTIONS_FOLDER,
    OPTIONS_RESOLVERS,
    OPTIONS_PEERS,
    OPTIONS_NETWORKS,
    OPTIONS_ROUTES,
    OPTIONS_POLICY,
    OPTIONS_DNSBL,
    OPTIONS_COMMAND,
    OPTIONS_EXIT_CODES,
    OPTIONS_FIELDS,
    OPTIONS_MILTERS,
    OPTIONS_KINDS
};

struct options_row {
    enum options_kind kind;
    const char *name, *standard;
    int64_t min, max;
    const char *unit;
    unsigned users; /* enum options_user */
    const char *sentence;
    size_t offset; /* in struct options */
};

extern const struct options_row options_row_all[];
extern const size_t options_row_count;

const struct options_row *options_row_find(str_t name); /* NULL: no such option */

/* Reads text as the row's kind into its field; strings are copied into the arena.
 * RC_INVALID: *why says what is wrong with it. */
enum rc options_row_parse(const struct options_row *row, struct arena *a, str_t text,
                          struct options *to, char *why, size_t room) RC_CHECKED;

/* Is there what the value names (FILE, FOLDER)?  RC_INVALID: *why says what is amiss. */
enum rc options_row_look(const struct options_row *row, const struct options *o,
                         char *why, size_t room) RC_CHECKED;

/* The field's value as it could stand in the file, without looking at secrecy. */
void options_row_format(const struct options_row *row, const struct options *o,
                        struct buf *to);

/* What --help calls the kind: "number of seconds, 1 to 600". */
void options_row_describe(const struct options_row *row, struct buf *to);
