/* verb_cert.c - a certificate for machines that no authority certifies. */
#include "verb.h"

#include "cert.h"

#include <errno.h>
#include <sys/stat.h>

/* A link to nowhere is there, too: what it will lead to is somebody's. */
static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || errno != ENOENT;
}

/* One file alone is not completed: a made certificate would be served instead of the one
 * that is to come, and a made key can destroy the only copy of another. */
static int refuse(const struct cert_request *r, bool has_cert, bool has_key)
{
    if (has_cert && has_key)
        return verb_fail("%s and %s are there already; remove them first", r->cert_file,
                         r->key_file);
    return verb_fail("%s is there, but not %s; add it, or move the other away",
                     has_cert ? r->cert_file : r->key_file,
                     has_cert ? r->key_file : r->cert_file);
}

int verb_cert(int argc, char **argv)
{
    const char *addresses[VERB_VALUES_MAX] = { NULL };
    struct cert_request r = { .addresses = addresses };
    bool if_missing = false, has_cert, has_key;
    const struct verb_flag flags[] = { { "--domain", &r.domain, NULL, NULL },
                                       { "--address", NULL, NULL, addresses },
                                       { "--certificate", &r.cert_file, NULL, NULL },
                                       { "--key", &r.key_file, NULL, NULL },
                                       { "--if-missing", NULL, &if_missing, NULL },
                                       { 0 } };
    char why[512];

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    if (r.domain == NULL || r.cert_file == NULL || r.key_file == NULL) {
        verb_fail("cert needs --domain, --certificate and --key");
        return VERB_MISUSED;
    }
    has_cert = is_there(r.cert_file);
    has_key = is_there(r.key_file);
    if (has_cert && has_key && if_missing)
        return VERB_DONE;
    if (has_cert || has_key)
        return refuse(&r, has_cert, has_key);
    while (addresses[r.address_count] != NULL)
        r.address_count++;
    if (cert_make(&r, why, sizeof(why)) != RC_OK)
        return verb_fail("%s", why);
    return VERB_DONE;
}
