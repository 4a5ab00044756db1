/* child.c - vfork, three pipes' ends, and a loop until the process ends.
 *
 * A pidfd tells the end, so no signal handler is needed, and what others do with their
 * children does not matter.
 */
#include "work/child.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16384, FILES_MAX = 64, FILE_BYTES_MAX = 64 << 20 };

struct child {
    const struct child_options *o;
    pid_t pid;
    int pidfd, in, out; /* -1: closed */
    char chunk[CHUNK_BYTES];
    size_t chunk_at, chunk_n;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void limit(int what, rlim_t value)
{
    struct rlimit l = { value, value };

    if (setrlimit((__rlimit_resource_t)what, &l) != 0)
        _exit(127);
}

/* In the child, on memory that is still its parent's: system calls only. */
__attribute__((noinline)) _Noreturn static void become(const struct child_options *o,
                                                       int in, int out, int null)
{
    static char *const no_environment[] = { NULL };
    struct sigaction standard = { .sa_handler = SIG_DFL };
    int64_t seconds = deadline_left_ms(o->until) / 1000 + 1;
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        (void)sigaction(s, &standard, NULL);
    if (setsid() < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 ||
        close_range(3, ~0U, 0) != 0 || chdir("/") != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(127);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_CPU, (rlim_t)seconds);
    limit(RLIMIT_AS, (rlim_t)o->memory_bytes);
    limit(RLIMIT_NOFILE, FILES_MAX);
    limit(RLIMIT_FSIZE, FILE_BYTES_MAX);
    limit(RLIMIT_CORE, 0);
    (void)umask(077);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execve(o->words[0], o->words, no_environment);
    _exit(127);
}

/* No signal handler may run in the child: it would do so on our memory. */
static pid_t fork_off(const struct child_options *o, int in, int out, int null)
{
    sigset_t all, before;
    pid_t pid;

    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    pid = vfork();
    if (pid == 0)
        become(o, in, out, null);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return pid;
}

static void nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

static enum rc begin(struct child *c)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, null = -1;

    c->pidfd = c->in = c->out = -1;
    c->pid = -1;
    if (pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0)
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        c->pid = fork_off(c->o, in[0], out[1], null);
    if (c->pid > 0)
        c->pidfd = pidfd_open(c->pid, 0);
    close_fd(&in[0]);
    close_fd(&out[1]);
    close_fd(&null);
    c->in = in[1];
    c->out = out[0];
    if (c->pidfd < 0)
        return RC_RETRY;
    nonblocking(c->in);
    nonblocking(c->out);
    return RC_OK;
}

/* What fits into the pipe; a program that does not want to read all is not forced to. */
static void write_input(struct child *c)
{
    ssize_t n;

    if (c->chunk_at == c->chunk_n) {
        c->chunk_at = 0;
        c->chunk_n = c->o->input(c->o->user, c->chunk, sizeof(c->chunk));
    }
    if (c->chunk_n == 0) {
        close_fd(&c->in);
        return;
    }
    n = write(c->in, c->chunk + c->chunk_at, c->chunk_n - c->chunk_at);
    if (n > 0)
        c->chunk_at += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        close_fd(&c->in);
}

/* False: nothing more is there now. */
static bool read_output(struct child *c, struct buf *output, enum rc *rc)
{
    char some[4096];
    ssize_t n = read(c->out, some, sizeof(some));

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&c->out);
    if (n > 0 && (output->n + (size_t)n > c->o->output_max_bytes ||
                  buf_append(output, some, (size_t)n) != RC_OK))
        *rc = RC_LIMIT;
    return n > 0 && *rc == RC_OK;
}

/* True: it goes on. */
static bool turn(struct child *c, struct buf *output, enum rc *rc)
{
    struct pollfd fds[] = { { .fd = c->pidfd, .events = POLLIN },
                            { .fd = c->out, .events = POLLIN },
                            { .fd = c->in, .events = POLLOUT },
                            { .fd = c->o->wake_fd, .events = POLLIN } };
    int64_t left_ms = deadline_left_ms(c->o->until);

    if (left_ms == 0)
        *rc = RC_TIMEOUT;
    else if (poll(fds, 4, (int)left_ms) < 0)
        *rc = errno == EINTR ? RC_OK : RC_RETRY;
    else if (fds[3].revents != 0)
        *rc = RC_CLOSED;
    if (*rc != RC_OK)
        return false;
    if (fds[2].revents != 0)
        write_input(c);
    if (fds[0].revents != 0) {
        while (c->out >= 0 && read_output(c, output, rc)) {
        }
        return false;
    }
    if (fds[1].revents != 0)
        (void)read_output(c, output, rc);
    return *rc == RC_OK;
}

/* The group goes before its leader is waited for: until then its number is nobody else's.
 */
static enum rc end(struct child *c, enum rc rc, int *exit_code)
{
    siginfo_t info = { 0 };

    close_fd(&c->in);
    close_fd(&c->out);
    if (c->pid > 0) {
        (void)kill(-c->pid, SIGKILL);
        if (rc != RC_OK)
            (void)kill(c->pid, SIGKILL); /* it may not have a group yet */
        while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) != 0 && errno == EINTR) {
        }
    }
    close_fd(&c->pidfd);
    if (rc == RC_OK && info.si_code != CLD_EXITED)
        return RC_INVALID;
    *exit_code = info.si_status;
    return rc;
}

enum rc child_run(const struct child_options *o, struct buf *output, int *exit_code)
{
    struct child c = { .o = o };
    enum rc rc = begin(&c);

    while (rc == RC_OK && turn(&c, output, &rc)) {
    }
    return end(&c, rc, exit_code);
}
