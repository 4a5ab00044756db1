/* cert.c - EC P-256, a hundred years, names of the domain and its two service hosts. */
#include "cert.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DAYS = 36500,
    NAMES_MAX = 32,
    NAME_BYTES = 300,
    ALT_BYTES = 8192,
    SERIAL_BITS = 127
};

/* What tells a certificate that we may replace from one that an operator made. */
#define MAKER "self-signed by postbusctl"

struct names {
    char text[NAMES_MAX][NAME_BYTES];
    size_t n;
};

static bool is_address(const char *text)
{
    unsigned char ignored[16];

    return inet_pton(AF_INET, text, ignored) == 1 ||
           inet_pton(AF_INET6, text, ignored) == 1;
}

static bool add_name(struct names *to, const char *prefix, const char *name)
{
    int n;

    if (to->n == NAMES_MAX)
        return false;
    n = snprintf(to->text[to->n], NAME_BYTES, "%s%s", prefix, name);
    /* A comma would begin another name. */
    if (name[0] == '\0' || strchr(name, ',') != NULL || n >= NAME_BYTES)
        return false;
    to->n++;
    return true;
}

/* The domain first, without brackets. */
static bool list_names(const struct cert_request *r, struct names *to)
{
    size_t n = strlen(r->domain);
    char domain[256];
    bool good;

    if (n >= sizeof(domain))
        return false;
    if (n > 2 && r->domain[0] == '[' && r->domain[n - 1] == ']')
        snprintf(domain, sizeof(domain), "%.*s", (int)n - 2, r->domain + 1);
    else
        snprintf(domain, sizeof(domain), "%s", r->domain);
    to->n = 0;
    good = add_name(to, "", domain);
    if (!is_address(domain))
        good = good && add_name(to, "www.", domain) && add_name(to, "mta-sts.", domain);
    for (size_t i = 0; good && i < r->address_count; i++)
        good = add_name(to, "", r->addresses[i]);
    return good;
}

/* As OpenSSL's configuration writes them: "DNS:a.example,IP:192.0.2.1". */
static bool format_names(const struct names *names, char out[ALT_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < names->n && n < ALT_BYTES; i++)
        n += (size_t)snprintf(out + n, ALT_BYTES - n, "%s%s:%s", i == 0 ? "" : ",",
                              is_address(names->text[i]) ? "IP" : "DNS", names->text[i]);
    return n < ALT_BYTES;
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
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                      (const unsigned char *)MAKER, -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
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

/* Written beside its place and moved there: whoever polls never sees half a file. */
static bool write_file(const char *path, int mode, X509 *cert, EVP_PKEY *key)
{
    char draft[4096];
    bool good;
    FILE *f;
    int fd;

    snprintf(draft, sizeof(draft), "%s.new", path);
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
    good &= fclose(f) == 0;
    if (good && rename(draft, path) == 0)
        return true;
    (void)unlink(draft);
    return false;
}

static bool is_ours(X509 *cert)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    char maker[sizeof(MAKER) + 1] = "";

    return X509_NAME_cmp(subject, X509_get_issuer_name(cert)) == 0 &&
           X509_NAME_get_text_by_NID(subject, NID_organizationName, maker,
                                     sizeof(maker)) > 0 &&
           strcmp(maker, MAKER) == 0;
}

static bool has_name(X509 *cert, const char *name)
{
    if (is_address(name))
        return X509_check_ip_asc(cert, name, 0) == 1;
    return X509_check_host(cert, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static bool has_names(const struct cert_request *r, X509 *cert)
{
    struct names names;
    bool good = list_names(r, &names);

    for (size_t i = 0; good && i < names.n; i++)
        good = has_name(cert, names.text[i]);
    return good;
}

/* A link to nowhere is there, too: what it will lead to is somebody's. */
static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || errno != ENOENT;
}

/* NULL: not there, or no certificate. */
static X509 *read_cert(const char *path)
{
    FILE *f = fopen(path, "re");
    X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);

    if (f != NULL)
        fclose(f);
    return cert;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f == NULL ? NULL : PEM_read_PrivateKey(f, NULL, NULL, NULL);

    if (f != NULL)
        fclose(f);
    return key;
}

static enum cert_state look_at_ours(const struct cert_request *r, X509 *cert)
{
    EVP_PKEY *key = read_key(r->key_file);
    enum cert_state state = CERT_STALE;

    if (is_there(r->key_file) && (key == NULL || X509_check_private_key(cert, key) != 1))
        state = CERT_HALF;
    else if (key != NULL && has_names(r, cert))
        state = CERT_FITS;
    EVP_PKEY_free(key);
    return state;
}

enum cert_state cert_look(const struct cert_request *r)
{
    bool has_cert = is_there(r->cert_file), has_key = is_there(r->key_file);
    X509 *cert = read_cert(r->cert_file);
    enum cert_state state;

    if (cert != NULL && is_ours(cert))
        state = look_at_ours(r, cert);
    else if (has_cert && has_key)
        state = CERT_FOREIGN;
    else
        state = has_cert || has_key ? CERT_HALF : CERT_NONE;
    X509_free(cert);
    ERR_clear_error();
    return state;
}

/* The certificate first: one of ours without a key is known as such and made again, while
 * a key alone might be anybody's.  A key that is there is never touched. */
static enum rc write_both(const struct cert_request *r, X509 *cert, EVP_PKEY *key,
                          char *why, size_t room)
{
    const char *failed = NULL;

    if (!write_file(r->cert_file, 0644, cert, NULL))
        failed = r->cert_file;
    else if (!is_there(r->key_file) && !write_file(r->key_file, 0600, NULL, key))
        failed = r->key_file;
    if (failed == NULL)
        return RC_OK;
    snprintf(why, room, "cannot write %s: %s", failed, strerror(errno));
    return RC_INVALID;
}

enum rc cert_make(const struct cert_request *r, char *why, size_t room)
{
    enum rc rc = RC_INVALID;
    char alt[ALT_BYTES];
    struct names names;
    EVP_PKEY *key;
    X509 *cert;

    if (!list_names(r, &names) || !format_names(&names, alt)) {
        snprintf(why, room, "the domain or an address is no name");
        return RC_INVALID;
    }
    key = is_there(r->key_file) ? read_key(r->key_file) : EVP_EC_gen("P-256");
    cert = X509_new();
    if (key == NULL || cert == NULL || !fill(cert, key, names.text[0], alt))
        snprintf(why, room, "no certificate can be made for %s", names.text[0]);
    else
        rc = write_both(r, cert, key, why, room);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}
