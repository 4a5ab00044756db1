/* verb_cert.c - a certificate for machines that no authority certifies. */
#include "verb.h"

#include "cert.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int verb_cert(int argc, char **argv)
{
    const char *addresses[VERB_VALUES_MAX] = { NULL };
    struct cert_request r = { .addresses = addresses };
    bool if_missing = false;
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
    if (access(r.cert_file, F_OK) == 0 && access(r.key_file, F_OK) == 0) {
        if (if_missing)
            return VERB_DONE;
        return verb_fail("%s and %s are there already; remove them first", r.cert_file,
                         r.key_file);
    }
    while (addresses[r.address_count] != NULL)
        r.address_count++;
    if (cert_make(&r, why, sizeof(why)) != RC_OK)
        return verb_fail("%s", why);
    return VERB_DONE;
}
