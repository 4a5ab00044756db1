/* verb_cert.c - a certificate for machines that no authority certifies. */
#include "verb.h"

#include "cert.h"

#include <stdio.h>

static int make(const struct cert_request *r)
{
    char why[512];

    return cert_make(r, why, sizeof(why)) == RC_OK ? VERB_DONE : verb_fail("%s", why);
}

/* What an operator put there stays, whatever it is. */
static int make_if_needed(const struct cert_request *r)
{
    switch (cert_look(r)) {
    case CERT_FITS:
    case CERT_FOREIGN:
        return VERB_DONE;
    case CERT_HALF:
        return verb_fail(
            "of %s and %s one is missing or does not belong to the other; bring it, or "
            "move the one away",
            r->cert_file, r->key_file);
    case CERT_STALE:
        printf(
            "a new self-signed certificate is made: the old one was for other names\n");
        return make(r);
    case CERT_NONE:
        break;
    }
    return make(r);
}

int verb_cert(int argc, char **argv)
{
    const char *addresses[VERB_VALUES_MAX] = { NULL };
    struct cert_request r = { .addresses = addresses };
    bool if_needed = false;
    const struct verb_flag flags[] = { { "--domain", &r.domain, NULL, NULL },
                                       { "--address", NULL, NULL, addresses },
                                       { "--certificate", &r.cert_file, NULL, NULL },
                                       { "--key", &r.key_file, NULL, NULL },
                                       { "--if-needed", NULL, &if_needed, NULL },
                                       { 0 } };

    if (!verb_flags(argc, argv, flags))
        return VERB_MISUSED;
    if (r.domain == NULL || r.cert_file == NULL || r.key_file == NULL) {
        verb_fail("cert needs --domain, --certificate and --key");
        return VERB_MISUSED;
    }
    while (addresses[r.address_count] != NULL)
        r.address_count++;
    if (if_needed)
        return make_if_needed(&r);
    if (cert_look(&r) != CERT_NONE)
        return verb_fail("%s or %s is there already; remove them first", r.cert_file,
                         r.key_file);
    return make(&r);
}
