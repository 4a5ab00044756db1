/* svc_files.c - the limit of descriptors against what the options allow. */
#include "svc/svc_files.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

enum {
    BASE = 256, /* the admin port's hundred connections, the bus and its peers, the log */
    PER_LOOP = 8 /* its own, and one for each port */
};

static int64_t raise_limit(void)
{
    struct rlimit files;

    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        log_warn("service.file_limit", "reason=\"%s\"", strerror(errno));
        CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    }
    return files.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)files.rlim_cur;
}

void svc_files_init(struct svc_files *f, const struct options *o, int64_t connections)
{
    f->limit = raise_limit();
    f->own = BASE + options_worker_threads(o) + options_login_threads(o) +
             PER_LOOP * options_io_threads(o);
    f->connections = connections;
    if (f->limit - f->own < connections)
        log_warn("service.file_limit",
                 "limit=%" PRId64 " needed=%" PRId64 " connections=%" PRId64
                 " advice=\"raise LimitNOFILE or ulimit -n, or lower max_*_connections; "
                 "until then there is room for fewer\"",
                 f->limit, connections + f->own, connections);
}

size_t svc_files_share(const struct svc_files *f, int64_t configured)
{
    int64_t room = f->limit - f->own;
    double share;

    if (room >= f->connections)
        return (size_t)configured;
    share = room > 0 ? (double)configured * (double)room / (double)f->connections : 0;
    return share < 1 ? 1 : (size_t)share;
}
