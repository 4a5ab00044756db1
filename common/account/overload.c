/* overload.c - is this machine too busy for another account? */
#include "account/overload.h"

#include "base/str.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* MemAvailable of /proc/meminfo in bytes, or -1. */
static int64_t read_available_memory(void)
{
    char text[4096];
    str_t rest, line;
    ssize_t n;
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof(text));
    close(fd);
    rest = str_n(text, n > 0 ? (size_t)n : 0);
    while (str_split(&rest, '\n', &line)) {
        str_t label, number;
        uint64_t kib;

        if (!str_split(&line, ':', &label) || !str_eq(label, S("MemAvailable")))
            continue;
        line = str_trim(line);
        if (str_split(&line, ' ', &number) && str_to_u64(number, INT64_MAX / 1024, &kib))
            return (int64_t)kib * 1024;
    }
    return -1;
}

static int64_t read_free_disk(const char *path)
{
    struct statvfs fs;

    if (path == NULL || statvfs(path, &fs) != 0)
        return -1;
    return (int64_t)(fs.f_bavail * fs.f_frsize);
}

void overload_read(const char *disk_path, struct overload_reading *out)
{
    double load;

    out->load_1m = getloadavg(&load, 1) == 1 ? load : -1;
    out->available_memory_bytes = read_available_memory();
    out->free_disk_bytes = read_free_disk(disk_path);
}

enum overload_verdict overload_judge(const struct overload_limits *l,
                                     const struct overload_reading *r)
{
    if (l->max_load_1m > 0 && r->load_1m > l->max_load_1m)
        return OVERLOAD_LOAD;
    if (l->min_available_memory_bytes > 0 && r->available_memory_bytes >= 0 &&
        r->available_memory_bytes < l->min_available_memory_bytes)
        return OVERLOAD_MEMORY;
    if (l->min_free_disk_bytes > 0 && r->free_disk_bytes >= 0 &&
        r->free_disk_bytes < l->min_free_disk_bytes)
        return OVERLOAD_DISK;
    return OVERLOAD_NONE;
}

enum overload_verdict overload_now(const struct overload_limits *l)
{
    struct overload_reading r;

    overload_read(l->disk_path, &r);
    return overload_judge(l, &r);
}
