/* tls_private.h - what tls.c (sessions) and tls_context.c share.  Nobody else. */
#pragma once

#include "net/tls.h"

#include <openssl/ssl.h>

/* The SSL_CTX that sessions get from now on; the caller's to free. */
SSL_CTX *tls_context_take(struct tls_context *c);

/* OpenSSL's newest complaint; a constant. */
const char *tls_openssl_reason(void);
