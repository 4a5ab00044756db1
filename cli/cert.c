/* cert.c - EC P-256, a hundred years, names of the domain and its two service hosts. */
#include "cert.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DAYS = 36500, NAMES_MAX = 4096, SERIAL_BITS = 127 };

static bool is_address(const char *text)
{
    unsigned char ignored[16];

    return inet_pton(AF_INET, text, ignored) == 1 ||
           inet_pton(AF_INET6, text, ignored) == 1;
}

static bool add_name(char *names, const char *prefix, const char *name)
{
    size_t n = strlen(names);
    int put =
        snprintf(names + n, NAMES_MAX - n, "%s%s%s", n == 0 ? "" : ",", prefix, name);

    /* A comma would begin another name. */
    return strchr(name, ',') == NULL && put > 0 && (size_t)put < NAMES_MAX - n;
}

static bool add_names(const struct cert_request *r, const char *domain, char *names)
{
    static const char *const hosts[] = { "", "www.", "mta-sts." };
    bool good = true;
    char host[300];

    if (is_address(domain))
        good = add_name(names, "IP:", domain);
    for (size_t i = 0; !is_address(domain) && i < ARRAY_LEN(hosts); i++) {
        snprintf(host, sizeof(host), "%s%s", hosts[i], domain);
        good &= add_name(names, "DNS:", host);
    }
    for (size_t i = 0; i < r->address_count; i++)
        good &= add_name(names,
                         is_address(r->addresses[i]) ? "IP:" : "DNS:", r->addresses[i]);
    return good;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = e != NULL && X509_add_ext(cert, e, -1) == 1;

    X509_EXTENSION_free(e);
    return good;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool good = n != NULL &&
                BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;

    BN_free(n);
    return good;
}

/* RFC 5280 allows 64 characters; what clients look at are the alternative names. */
static bool set_subject(X509 *cert, const char *domain)
{
    X509_NAME *name = X509_get_subject_name(cert);
    char common[65];

    snprintf(common, sizeof(common), "%.64s", domain);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)common, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *domain, const char *names)
{
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           /* A client's clock may be behind. */
           X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), DAYS, 0, NULL) != NULL &&
           set_subject(cert, domain) && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(cert, NID_subject_alt_name, names) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

enum { DRAFT_MAX = 4096 };

static void name_draft(const char *path, char draft[DRAFT_MAX])
{
    snprintf(draft, DRAFT_MAX, "%s.new", path);
}

static bool write_draft(const char *path, int mode, X509 *cert, EVP_PKEY *key)
{
    char draft[DRAFT_MAX];
    bool good;
    FILE *f;
    int fd;

    name_draft(path, draft);
    fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return false;
    f = fdopen(fd, "w");
    if (f == NULL) {
        close(fd);
        return false;
    }
    good = cert != NULL ? PEM_write_X509(f, cert) == 1
                        : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    good &= fflush(f) == 0 && fsync(fd) == 0;
    return (fclose(f) == 0) && good;
}

static bool move_draft(const char *path)
{
    char draft[DRAFT_MAX];

    name_draft(path, draft);
    return rename(draft, path) == 0;
}

static void drop_draft(const char *path)
{
    char draft[DRAFT_MAX];

    name_draft(path, draft);
    (void)unlink(draft);
}

/* Written beside their places and moved there: whoever polls never sees half a file.
 * Moved when both are complete, because one alone stops the next attempt. */
static enum rc write_both(const struct cert_request *r, X509 *cert, EVP_PKEY *key,
                          char *why, size_t room)
{
    const char *path = r->key_file;
    bool good = write_draft(path, 0600, NULL, key);

    if (good)
        good = write_draft(path = r->cert_file, 0644, cert, NULL);
    if (good)
        good = move_draft(path = r->key_file);
    if (good)
        good = move_draft(path = r->cert_file);
    if (good)
        return RC_OK;
    snprintf(why, room, "cannot write %s: %s", path, strerror(errno));
    drop_draft(r->key_file);
    drop_draft(r->cert_file);
    return RC_INVALID;
}

static enum rc make(const struct cert_request *r, const char *domain, const char *names,
                    char *why, size_t room)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    enum rc rc;

    if (key == NULL || cert == NULL || !fill(cert, key, domain, names)) {
        snprintf(why, room, "no certificate can be made for %s", domain);
        rc = RC_INVALID;
    } else {
        rc = write_both(r, cert, key, why, room);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

enum rc cert_make(const struct cert_request *r, char *why, size_t room)
{
    char names[NAMES_MAX] = "", domain[256];
    size_t n = strlen(r->domain);

    if (n > 2 && r->domain[0] == '[' && r->domain[n - 1] == ']')
        snprintf(domain, sizeof(domain), "%.*s", (int)n - 2, r->domain + 1);
    else
        snprintf(domain, sizeof(domain), "%s", r->domain);
    if (n == 0 || n >= sizeof(domain) || !add_names(r, domain, names)) {
        snprintf(why, room, "the domain or an address is no name");
        return RC_INVALID;
    }
    return make(r, domain, names, why, room);
}
