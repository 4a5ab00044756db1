/* public_suffix.c - one list a process. */
#include "base/public_suffix.h"

#include <libpsl.h>
#include <pthread.h>
#include <string.h>

enum { NAME_MAX_BYTES = 253 }; /* RFC 1035; in UTF-8 a name is no longer */

static psl_ctx_t *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    list = psl_latest(NULL);
}

str_t public_suffix_organization(str_t domain)
{
    char name[NAME_MAX_BYTES + 1];
    const char *registered;

    pthread_once(&once, load);
    if (list == NULL || domain.n > NAME_MAX_BYTES)
        return domain;
    for (size_t i = 0; i < domain.n; i++)
        name[i] = (char)str_lower_char((unsigned char)domain.p[i]);
    name[domain.n] = '\0';
    /* It reads up to the first NUL. */
    if (strlen(name) != domain.n)
        return domain;
    registered = psl_registrable_domain(list, name);
    return registered == NULL ? domain : str_skip(domain, (size_t)(registered - name));
}
