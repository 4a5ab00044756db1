/* overload.h - is this machine too busy for another account?
 *
 * Only creation asks; people who have an account are always let in.  A value that cannot
 * be read counts as fine (chatmail spec 1.3, check 6).
 * Thread: any.
 */
#pragma once

#include <stdint.h>

struct overload_limits {
    double max_load_1m;                 /* 0: not limited */
    int64_t min_available_memory_bytes; /* 0: not limited */
    int64_t min_free_disk_bytes;        /* 0: not limited */
    const char *disk_path;              /* on the disk to look at; NULL: not limited */
};

struct overload_reading {
    double load_1m;                 /* negative: unknown */
    int64_t available_memory_bytes; /* negative: unknown */
    int64_t free_disk_bytes;        /* negative: unknown */
};

enum overload_verdict { OVERLOAD_NONE, OVERLOAD_LOAD, OVERLOAD_MEMORY, OVERLOAD_DISK };

void overload_read(const char *disk_path, struct overload_reading *out);
enum overload_verdict overload_judge(const struct overload_limits *l,
                                     const struct overload_reading *r);
/* Read and judge. */
enum overload_verdict overload_now(const struct overload_limits *l);
