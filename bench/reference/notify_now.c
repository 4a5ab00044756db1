/* notify_now.c - Dovecot tells of new mail at once.
 *
 * Dovecot waits half a second after a mailbox has changed before it tells who is in IDLE,
 * and no setting changes that.  A chatmail relay runs a build of its own without the
 * wait; loaded before Debian's Dovecot (LD_PRELOAD), this makes the same of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

typedef void *add_fn(unsigned int ms, const char *file, unsigned int line, void *callback,
                     void *context);

add_fn timeout_add_short;

void *timeout_add_short(unsigned int ms, const char *file, unsigned int line,
                        void *callback, void *context)
{
    static add_fn *next;

    if (next == NULL)
        next = (add_fn *)dlsym(RTLD_NEXT, "timeout_add_short");
    if (strcmp(file, "mailbox-watch.c") == 0)
        ms = 0;
    return next(ms, file, line, callback, context);
}
