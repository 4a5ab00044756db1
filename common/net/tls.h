/* tls.h - TLS for both ends: contexts that swap their certificate (tls_context.c), and
 * sessions, which are a layer of a connection (tls.c).
 *
 * The only door to openssl/ssl.h.  No tickets, no session cache, no renegotiation, no
 * compression; buffers are given back while idle.
 * Thread: a context may be shared by all; a session has one owner at a time.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "net/layer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct tls_context;

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

enum tls_verify {
    TLS_VERIFY_NONE, /* any certificate will do */
    TLS_VERIFY_NAME, /* chain to a known root, and the host's name or address in it */
};

struct tls_server_options {
    const char *cert_file; /* PEM, chain included */
    const char *key_file;  /* PEM */
    enum tls_version min_version;
    /* "imap,smtp": who offers names must offer one of these, who offers none is welcome;
     * NULL: whatever is offered is ignored. */
    const char *alpn;
};

/* RC_INVALID: the files are missing, unreadable or do not fit each other; the reason is
 * appended to *why unless that is NULL.  Strings in options are copied. */
enum rc tls_server_new(const struct tls_server_options *o, struct buf *why,
                       struct tls_context **out) RC_CHECKED;

struct tls_client_options {
    enum tls_version min_version;
    const char *ca_file; /* roots besides the system's; NULL: none */
};

enum rc tls_client_new(const struct tls_client_options *o, struct buf *why,
                       struct tls_context **out) RC_CHECKED;
/* After the last handshake; sessions beyond it keep what they need. */
void tls_context_free(struct tls_context **c);

/* Server contexts: look at the files again; a changed and good pair serves the sessions
 * that begin from now on.  RC_OK: swapped; RC_NOT_FOUND: nothing new since the last look;
 * RC_INVALID: the new pair is bad (reason in *why), the last good one stays; told once
 * for each content, and once while a file cannot be read.
 */
enum rc tls_context_poll(struct tls_context *c, struct buf *why) RC_CHECKED;

/* [s since 1970] end of the served certificate; also metric
 * postbus_tls_not_after_seconds, the earliest of all contexts. */
int64_t tls_context_not_after_unix(const struct tls_context *c);
/* Does the served certificate name this host, or this address? */
bool tls_context_names(struct tls_context *c, const char *host);
/* The served certificate names itself as its issuer: no client can verify it by way of an
 * authority.  False says nothing about an authority that nobody knows. */
bool tls_context_is_self_signed(const struct tls_context *c);

/* Sessions, as layers in the place of the socket (net/layer.h).  A server's is made from
 * its struct tls_context, a client's from a struct tls_to; both need it only to open. */
struct tls_to {
    struct tls_context *context;
    const char *name; /* what the certificate must show and what is sent as SNI; an IP
                       * literal is fine */
    enum tls_verify verify;
};

extern const struct layer_kind tls_server_layer;
extern const struct layer_kind tls_client_layer;

/* Of the session in a pile; empty without one. */
bool tls_is_in(const struct layer *top);
const char *tls_version_text(const struct layer *top); /* "TLSv1.3" */
const char *tls_cipher_text(const struct layer *top);
str_t tls_alpn(const struct layer *top); /* empty: none was chosen */
/* The handshake failed, and it is the peer's certificate's fault. */
bool tls_mistrusts(const struct layer *top);
