/* svc_files.h - how many descriptors this process may have, and who must not use them up.
 *
 * A process that has none left cannot be asked how it is either: what clients may hold is
 * kept below the limit by what the process needs for itself, the admin port among it.
 * Thread: any, after svc_files_init.
 */
#pragma once

#include "svc/options.h"

#include <stddef.h>
#include <stdint.h>

struct svc_files {
    int64_t limit;       /* RLIMIT_NOFILE */
    int64_t own;         /* that the process needs for itself */
    int64_t connections; /* that are configured, to all ports together */
};

/* Raises the soft limit to the hard one, and warns when that is too little. */
void svc_files_init(struct svc_files *f, const struct options *o, int64_t connections);

/* What of `configured` connections there is room for: all, or its share; at least one. */
size_t svc_files_share(const struct svc_files *f, int64_t configured);
