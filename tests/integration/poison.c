/* poison.c - preloaded: a queue-worker ends by SIGKILL when it asks PostgreSQL about a
 * recipient whose name begins with "poison", as if handling that message had killed it. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);

    if (real == NULL)
        real = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    if (strcmp(program_invocation_short_name, "queue-worker") == 0 &&
        memmem(p, n, "poison", 6) != NULL)
        raise(SIGKILL);
    return real(fd, p, n, flags);
}
