/* tls_context.c - what the sessions of a port, or to other hosts, have in common:
 * certificate, versions, ciphers, roots.
 *
 * A context reads its files into memory first and is made from those bytes, so that what
 * was compared is what is served.  Swapping replaces a counted SSL_CTX: sessions keep the
 * one they began with.
 */
#include "net/tls_private.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20, READ_BYTES = 4096, ALPN_MAX_BYTES = 128 };

/* ECDHE only: whatever is recorded today stays closed when the key leaks.  AEAD only: no
 * CBC, no truncated tags. */
static const char tls12_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL";
static const char groups[] = "X25519:P-256:P-384";

struct tls_context {
    pthread_mutex_t lock; /* ctx */
    SSL_CTX *ctx;
    enum tls_version min_version;
    char *cert_file, *key_file;         /* server */
    unsigned char alpn[ALPN_MAX_BYTES]; /* length-prefixed names */
    size_t alpn_bytes;
    unsigned char
        seen[CRYPTO_SHA256_BYTES]; /* of the files looked at last, good or bad */
    bool unreadable;               /* at the last look */
    _Atomic int64_t not_after_unix;
    atomic_bool self_signed;
    struct tls_context *next; /* all server contexts */
};

static struct metric not_after = {
    .kind = METRIC_GAUGE,
    .name = "postbus_tls_not_after_seconds",
    .labels = "",
    .help = "When the first of the served certificates expires, in Unix time.",
};
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tls_context *all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_once(void)
{
    metric_register(&not_after);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
}

static enum rc refuse(struct buf *why, const char *what, const char *reason)
{
    if (why != NULL)
        buf_printf(why, "%s: %s", what, reason);
    ERR_clear_error();
    return RC_INVALID;
}

/* Room for all of it from the start: a buffer that moves leaves pieces of a key behind.
 */
static void reserve_for(int fd, struct buf *out)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < FILE_MAX_BYTES - READ_BYTES)
        (void)buf_reserve(out, (size_t)st.st_size + READ_BYTES);
}

/* Whoever brought the file may not know as whom we run. */
static enum rc refuse_file(struct buf *why, const char *path, int error)
{
    char reason[128];

    snprintf(reason, sizeof(reason), "%s; user %u has to read it", strerror(error),
             (unsigned)geteuid());
    return refuse(why, path, error == EACCES ? reason : strerror(error));
}

static enum rc read_file(const char *path, struct buf *why, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    buf_init(out, FILE_MAX_BYTES);
    if (fd < 0)
        return refuse_file(why, path, errno);
    reserve_for(fd, out);
    do {
        char *p = buf_reserve(out, READ_BYTES);

        if (p == NULL)
            break;
        n = read(fd, p, READ_BYTES);
        if (n > 0)
            buf_commit(out, (size_t)n);
    } while (n > 0);
    close(fd);
    if (n != 0)
        return refuse(why, path, n < 0 ? strerror(errno) : "the file is too large");
    return RC_OK;
}

/* Never ask on a terminal for a key's passphrase. */
static int no_passphrase(char *p, int n, int writing, void *arg)
{
    (void)p;
    (void)n;
    (void)writing;
    (void)arg;
    return 0;
}

static bool use_chain(SSL_CTX *ctx, BIO *pem)
{
    X509 *x = PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL);
    bool ok = x != NULL && SSL_CTX_use_certificate(ctx, x) == 1;

    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL)) != NULL) {
        ok = SSL_CTX_add0_chain_cert(ctx, x) == 1;
        if (!ok)
            X509_free(x);
    }
    if (ok)
        ERR_clear_error(); /* the end of the file is reported as an error */
    return ok;
}

static bool use_key(SSL_CTX *ctx, BIO *pem)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
    bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    return ok && SSL_CTX_check_private_key(ctx) == 1;
}

static bool with_pem(SSL_CTX *ctx, const struct buf *bytes, bool (*use)(SSL_CTX *, BIO *))
{
    BIO *pem = BIO_new_mem_buf(bytes->p, (int)bytes->n);
    bool ok;

    CHECK(pem != NULL);
    ok = use(ctx, pem);
    BIO_free(pem);
    return ok;
}

static int64_t expiry_unix(const SSL_CTX *ctx)
{
    const X509 *x = SSL_CTX_get0_certificate(ctx);
    struct tm tm;

    if (x == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

static bool is_self_signed(const SSL_CTX *ctx)
{
    const X509 *x = SSL_CTX_get0_certificate(ctx);

    return x != NULL &&
           X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    const struct tls_context *c = arg;
    unsigned char *found;

    (void)ssl;
    if (SSL_select_next_proto(&found, out_n, c->alpn, (unsigned)c->alpn_bytes, in,
                              in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol, RFC 7301 3.2 */
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *ctx_new(const SSL_METHOD *method, enum tls_version min_version)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    int min = min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    CHECK(ctx != NULL);
    CHECK(SSL_CTX_set_min_proto_version(ctx, min) == 1);
    CHECK(SSL_CTX_set_cipher_list(ctx, tls12_ciphers) == 1);
    CHECK(SSL_CTX_set1_groups_list(ctx, groups) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

static enum rc server_ctx(struct tls_context *c, const struct buf *cert,
                          const struct buf *key, struct buf *why, SSL_CTX **out)
{
    SSL_CTX *ctx = ctx_new(TLS_server_method(), c->min_version);

    SSL_CTX_set_num_tickets(ctx, 0);
    if (c->alpn_bytes > 0)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, c);
    if (!with_pem(ctx, cert, use_chain)) {
        SSL_CTX_free(ctx);
        return refuse(why, c->cert_file, tls_openssl_reason());
    }
    if (!with_pem(ctx, key, use_key)) {
        SSL_CTX_free(ctx);
        return refuse(why, c->key_file, tls_openssl_reason());
    }
    *out = ctx;
    return RC_OK;
}

static void hash_files(const struct buf *cert, const struct buf *key,
                       unsigned char out[CRYPTO_SHA256_BYTES])
{
    struct crypto_sha256_state *s = crypto_sha256_new();
    uint64_t n = cert->n;

    crypto_sha256_feed(s, str_n((const char *)&n, sizeof(n)));
    crypto_sha256_feed(s, buf_str(cert));
    crypto_sha256_feed(s, buf_str(key));
    crypto_sha256_done(&s, out);
}

/* RC_NOT_FOUND: the files hold what they held at the last look. */
static enum rc load(struct tls_context *c, struct buf *why, SSL_CTX **out)
{
    unsigned char hash[CRYPTO_SHA256_BYTES];
    struct buf cert = { 0 }, key = { 0 };
    enum rc rc = read_file(c->cert_file, why, &cert);
    bool was_unreadable = c->unreadable;

    if (rc == RC_OK)
        rc = read_file(c->key_file, why, &key);
    c->unreadable = rc != RC_OK;
    if (rc != RC_OK && was_unreadable)
        rc = RC_NOT_FOUND;
    if (rc == RC_OK) {
        hash_files(&cert, &key, hash);
        if (memcmp(hash, c->seen, sizeof(hash)) == 0)
            rc = RC_NOT_FOUND;
        memcpy(c->seen, hash, sizeof(hash));
    }
    if (rc == RC_OK)
        rc = server_ctx(c, &cert, &key, why, out);
    buf_fini(&cert);
    if (key.n > 0)
        crypto_wipe(key.p, key.n);
    buf_fini(&key);
    return rc;
}

/* With all_lock held. */
static void publish_earliest_expiry(void)
{
    int64_t earliest = 0;

    for (struct tls_context *c = all; c != NULL; c = c->next) {
        int64_t at = atomic_load(&c->not_after_unix);

        if (earliest == 0 || at < earliest)
            earliest = at;
    }
    metric_set(&not_after, earliest);
}

static void enlist(struct tls_context *c)
{
    pthread_mutex_lock(&all_lock);
    c->next = all;
    all = c;
    publish_earliest_expiry();
    pthread_mutex_unlock(&all_lock);
}

static void delist(struct tls_context *c)
{
    pthread_mutex_lock(&all_lock);
    for (struct tls_context **at = &all; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    publish_earliest_expiry();
    pthread_mutex_unlock(&all_lock);
}

static void set_alpn(struct tls_context *c, const char *list)
{
    str_t rest = str_of(list), name;

    while (str_split(&rest, ',', &name)) {
        name = str_trim(name);
        CHECK(name.n > 0 && name.n < 32 && c->alpn_bytes + 1 + name.n <= ALPN_MAX_BYTES);
        c->alpn[c->alpn_bytes++] = (unsigned char)name.n;
        memcpy(c->alpn + c->alpn_bytes, name.p, name.n);
        c->alpn_bytes += name.n;
    }
}

static struct tls_context *context_new(enum tls_version min_version)
{
    struct tls_context *c = mem_alloc(sizeof(*c));

    pthread_once(&once, init_once);
    pthread_mutex_init(&c->lock, NULL);
    c->min_version = min_version;
    return c;
}

enum rc tls_server_new(const struct tls_server_options *o, struct buf *why,
                       struct tls_context **out)
{
    struct tls_context *c = context_new(o->min_version);
    enum rc rc;

    c->cert_file = mem_cstr(o->cert_file, strlen(o->cert_file));
    c->key_file = mem_cstr(o->key_file, strlen(o->key_file));
    set_alpn(c, o->alpn);
    rc = load(c, why, &c->ctx);
    if (rc != RC_OK) {
        tls_context_free(&c);
        return rc;
    }
    atomic_store(&c->not_after_unix, expiry_unix(c->ctx));
    atomic_store(&c->self_signed, is_self_signed(c->ctx));
    enlist(c);
    *out = c;
    return RC_OK;
}

enum rc tls_client_new(const struct tls_client_options *o, struct buf *why,
                       struct tls_context **out)
{
    struct tls_context *c = context_new(o->min_version);

    c->ctx = ctx_new(TLS_client_method(), o->min_version);
    /* Not ..._verify_paths, which would list the whole directory for each certificate.
     * No roots on this system: all is untrusted. */
    SSL_CTX_set_default_verify_dir(c->ctx);
    SSL_CTX_set_default_verify_file(c->ctx);
    ERR_clear_error();
    if (o->ca_file != NULL && o->ca_file[0] != '\0' &&
        SSL_CTX_load_verify_file(c->ctx, o->ca_file) != 1) {
        tls_context_free(&c);
        return refuse(why, o->ca_file, tls_openssl_reason());
    }
    *out = c;
    return RC_OK;
}

void tls_context_free(struct tls_context **context)
{
    struct tls_context *c = *context;

    if (c == NULL)
        return;
    delist(c);
    SSL_CTX_free(c->ctx);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->cert_file);
    mem_free(c->key_file);
    mem_free(c);
    *context = NULL;
}

enum rc tls_context_poll(struct tls_context *c, struct buf *why)
{
    int64_t now = clock_unix(), expires;
    SSL_CTX *new_ctx, *old;
    bool self_signed;
    enum rc rc;

    CHECK(c->cert_file != NULL);
    rc = load(c, why, &new_ctx);
    if (rc != RC_OK)
        return rc;
    expires = expiry_unix(new_ctx);
    if (expires < now && tls_context_not_after_unix(c) > now) {
        SSL_CTX_free(new_ctx);
        return refuse(why, c->cert_file, "the new certificate has expired already");
    }
    self_signed = is_self_signed(new_ctx);
    pthread_mutex_lock(&c->lock);
    old = c->ctx;
    c->ctx = new_ctx;
    pthread_mutex_unlock(&c->lock);
    SSL_CTX_free(old);
    atomic_store(&c->not_after_unix, expires);
    atomic_store(&c->self_signed, self_signed);
    pthread_mutex_lock(&all_lock);
    publish_earliest_expiry();
    pthread_mutex_unlock(&all_lock);
    return RC_OK;
}

int64_t tls_context_not_after_unix(const struct tls_context *c)
{
    return atomic_load(&c->not_after_unix);
}

bool tls_context_names(struct tls_context *c, const char *host)
{
    X509 *x;
    bool yes;

    pthread_mutex_lock(&c->lock);
    x = SSL_CTX_get0_certificate(c->ctx);
    yes = x != NULL && (X509_check_host(x, host, 0, 0, NULL) == 1 ||
                        X509_check_ip_asc(x, host, 0) == 1);
    pthread_mutex_unlock(&c->lock);
    return yes;
}

bool tls_context_is_self_signed(const struct tls_context *c)
{
    return atomic_load(&c->self_signed);
}

SSL_CTX *tls_context_take(struct tls_context *c)
{
    SSL_CTX *ctx;

    pthread_mutex_lock(&c->lock);
    ctx = c->ctx;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&c->lock);
    return ctx;
}
