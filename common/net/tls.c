/* tls.c - TLS as the lowest layer: OpenSSL's SSL on a socket.
 *
 * The state of the layer is the SSL itself; a wrapper would cost an allocation for each
 * of many thousand idle connections.
 */
#include "net/tls.h"

#include "base/log.h"
#include "net/addr.h"
#include "net/tls_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[160];

const char *tls_openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason != NULL ? reason : "unknown reason";
}

/* Birth. */

static SSL *session_new(struct tls_context *c, const struct layer *socket)
{
    SSL_CTX *ctx = tls_context_take(c);
    SSL *ssl = SSL_new(ctx);

    SSL_CTX_free(ctx);
    if (ssl != NULL && SSL_set_fd(ssl, layer_fd(socket)) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl == NULL) {
        ERR_clear_error();
        return NULL;
    }
    SSL_set_read_ahead(ssl, 1); /* one system call for a record, not two */
    return ssl;
}

static void *open_server(struct layer below, void *from, str_t early)
{
    SSL *ssl = session_new(from, &below);

    (void)early;
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}

static void expect_name(SSL *ssl, const char *name, bool is_ip)
{
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_ip)
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1);
    else
        CHECK(SSL_set1_host(ssl, name) == 1);
}

static void *open_client(struct layer below, void *from, str_t early)
{
    const struct tls_to *to = from;
    SSL *ssl = session_new(to->context, &below);
    struct addr literal;
    bool is_ip = addr_parse(str_of(to->name), &literal) == RC_OK;

    (void)early;
    if (ssl == NULL)
        return NULL;
    SSL_set_connect_state(ssl);
    if (!is_ip)
        SSL_set_tlsext_host_name(ssl, to->name); /* too long a name is not sent */
    if (to->verify == TLS_VERIFY_NAME)
        expect_name(ssl, to->name, is_ip);
    return ssl;
}

static void free_session(void *state)
{
    SSL_free(state);
}

/* Life. */

static enum layer_io fail(const char *reason)
{
    snprintf(last_error, sizeof(last_error), "%s", reason);
    ERR_clear_error();
    return LAYER_ERROR;
}

static enum layer_io io_result(const SSL *ssl, int rc)
{
    int saved_errno = errno;

    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_NONE:
        return LAYER_OK;
    case SSL_ERROR_WANT_READ:
        return LAYER_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return LAYER_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return LAYER_CLOSED;
    case SSL_ERROR_SYSCALL:
        return fail(saved_errno != 0 ? strerror(saved_errno) : "connection closed");
    default:
        return fail(tls_openssl_reason());
    }
}

static enum layer_io handshake(void *state)
{
    ERR_clear_error();
    errno = 0;
    return io_result(state, SSL_do_handshake(state));
}

static enum layer_io read_some(void *state, void *p, size_t n, size_t *got)
{
    ERR_clear_error();
    errno = 0;
    return io_result(state, SSL_read_ex(state, p, n, got));
}

static enum layer_io write_some(void *state, const void *p, size_t n, size_t *put)
{
    ERR_clear_error();
    errno = 0;
    return io_result(state, SSL_write_ex(state, p, n, put));
}

/* Perhaps of an incomplete record. */
static bool has_pending(void *state)
{
    return SSL_has_pending(state) == 1;
}

/* Sends close_notify and does not wait for theirs. */
static void end(void *state)
{
    if (!SSL_is_init_finished(state))
        return; /* there is no session to end */
    ERR_clear_error();
    (void)SSL_shutdown(state);
    ERR_clear_error();
}

static bool mistrusts(const SSL *ssl)
{
    return SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
           SSL_get_verify_result(ssl) != X509_V_OK;
}

static const char *failure(void *state)
{
    if (mistrusts(state))
        return X509_verify_cert_error_string(SSL_get_verify_result(state));
    return last_error;
}

#define SESSION                                                                          \
    .name = "tls", .is_lowest = true, .free = free_session, .handshake = handshake,      \
    .read = read_some, .write = write_some, .has_pending = has_pending, .end = end,      \
    .failure = failure

const struct layer_kind tls_server_layer = { SESSION, .open = open_server };
const struct layer_kind tls_client_layer = { SESSION, .open = open_client };

/* What others want to know. */

static const SSL *session_of(const struct layer *top)
{
    const SSL *ssl = layer_find(top, &tls_server_layer);

    return ssl != NULL ? ssl : layer_find(top, &tls_client_layer);
}

bool tls_is_in(const struct layer *top)
{
    return session_of(top) != NULL;
}

const char *tls_version_text(const struct layer *top)
{
    const SSL *ssl = session_of(top);

    return ssl != NULL ? SSL_get_version(ssl) : "";
}

const char *tls_cipher_text(const struct layer *top)
{
    const SSL *ssl = session_of(top);

    return ssl != NULL ? SSL_get_cipher_name(ssl) : "";
}

str_t tls_alpn(const struct layer *top)
{
    const SSL *ssl = session_of(top);
    const unsigned char *p = NULL;
    unsigned n = 0;

    if (ssl != NULL)
        SSL_get0_alpn_selected(ssl, &p, &n);
    return str_n((const char *)p, n);
}

bool tls_mistrusts(const struct layer *top)
{
    const SSL *ssl = session_of(top);

    return ssl != NULL && mistrusts(ssl);
}
