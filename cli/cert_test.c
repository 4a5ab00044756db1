/* A made certificate is one that our own servers load and that names what it must. */
#include "cert.h"

#include "base/buf.h"
#include "base/str.h"
#include "net/test_certificate.h"
#include "net/tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/postbus-cert-XXXXXX";
static char cert_file[64], key_file[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(cert_file, sizeof(cert_file), "%s/tls.crt", folder);
    snprintf(key_file, sizeof(key_file), "%s/tls.key", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    return rmdir(folder);
}

static X509 *make(const char *domain, const char *address)
{
    const char *addresses[] = { address };
    struct cert_request r = { .domain = domain,
                              .addresses = addresses,
                              .address_count = address == NULL ? 0 : 1,
                              .cert_file = cert_file,
                              .key_file = key_file };
    char why[256] = "";
    X509 *cert;
    FILE *f;

    if (cert_make(&r, why, sizeof(why)) != RC_OK)
        fail_msg("%s", why);
    f = fopen(cert_file, "r");
    assert_non_null(f);
    cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    assert_non_null(cert);
    return cert;
}

static void test_domain(void **state)
{
    struct tls_server_options o = { .cert_file = cert_file,
                                    .key_file = key_file,
                                    .min_version = TLS_VERSION_1_3 };
    X509 *cert = make("_chat.example", "192.0.2.7");
    struct tls_context *context = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(X509_check_host(cert, "_chat.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "www._chat.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "mta-sts._chat.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_true(X509_cmp_time(X509_get0_notBefore(cert), NULL) < 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), NULL) > 0);
    assert_int_equal(stat(key_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tls_server_new(&o, NULL, &context), RC_OK);
    assert_true(tls_context_not_after_unix(context) > INT64_C(4000000000));
    assert_true(tls_context_is_self_signed(context));
    tls_context_free(&context);
    X509_free(cert);
}

static void test_address(void **state)
{
    X509 *cert = make("[192.0.2.9]", NULL);

    (void)state;
    assert_int_equal(X509_check_ip_asc(cert, "192.0.2.9", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "192.0.2.7", 0), 0);
    X509_free(cert);
}

static enum cert_state look(const char *domain, const char *address)
{
    const char *addresses[] = { address };
    struct cert_request r = { .domain = domain,
                              .addresses = addresses,
                              .address_count = address == NULL ? 0 : 1,
                              .cert_file = cert_file,
                              .key_file = key_file };

    return cert_look(&r);
}

static void test_ours_is_known_again(void **state)
{
    static const struct {
        const char *domain, *address;
        enum cert_state state;
    } cases[] = {
        { "_chat.example", "192.0.2.7", CERT_FITS },
        { "_chat.example", NULL, CERT_FITS }, /* more than is needed does no harm */
        { "_chat.example", "192.0.2.8", CERT_STALE },
        { "_chat.example", "mx.example", CERT_STALE },
        { "www._chat.example", NULL, CERT_STALE },
        { "chat.example", NULL, CERT_STALE },
        { "[192.0.2.7]", NULL, CERT_FITS },
        { "a.example,DNS:b.example", NULL, CERT_STALE },
    };
    char aside[80];

    (void)state;
    unlink(cert_file);
    unlink(key_file);
    assert_int_equal(look("_chat.example", NULL), CERT_NONE);
    X509_free(make("_chat.example", "192.0.2.7"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(look(cases[i].domain, cases[i].address), cases[i].state);
    /* For another name the key stays. */
    X509_free(make("chat.example", NULL));
    assert_int_equal(look("chat.example", NULL), CERT_FITS);
    X509_free(make("_chat.example", "192.0.2.7"));
    /* A certificate without its key is made again; one beside another key, which may be
     * an operator's who has not brought the certificate yet, is not. */
    snprintf(aside, sizeof(aside), "%s.aside", key_file);
    assert_int_equal(rename(key_file, aside), 0);
    assert_int_equal(look("_chat.example", NULL), CERT_STALE);
    X509_free(make("_chat.example", "192.0.2.7"));
    assert_int_equal(look("_chat.example", NULL), CERT_FITS);
    assert_int_equal(rename(aside, key_file), 0);
    assert_int_equal(look("_chat.example", NULL), CERT_HALF);
}

/* Also when it is self-signed, or no certificate at all. */
static void test_an_operators_is_left_alone(void **state)
{
    FILE *f;

    (void)state;
    test_certificate_write(cert_file, key_file, "_chat.example");
    assert_int_equal(look("_chat.example", NULL), CERT_FOREIGN);
    assert_int_equal(look("other.example", NULL), CERT_FOREIGN);
    unlink(key_file);
    assert_int_equal(look("_chat.example", NULL), CERT_HALF);
    f = fopen(cert_file, "w");
    fputs("soon\n", f);
    fclose(f);
    assert_int_equal(look("_chat.example", NULL), CERT_HALF);
    assert_int_equal(rename(cert_file, key_file), 0);
    assert_int_equal(look("_chat.example", NULL), CERT_HALF);
    f = fopen(cert_file, "w");
    fclose(f);
    assert_int_equal(look("_chat.example", NULL), CERT_FOREIGN);
}

static void test_refused(void **state)
{
    struct cert_request r = { .domain = "a.example,DNS:b.example",
                              .cert_file = cert_file,
                              .key_file = key_file };
    char why[256] = "";

    (void)state;
    assert_int_equal(cert_make(&r, why, sizeof(why)), RC_INVALID);
    r.domain = "a.example";
    r.key_file = "/nonexistent/key";
    assert_int_equal(cert_make(&r, why, sizeof(why)), RC_INVALID);
    assert_non_null(strstr(why, "/nonexistent/key: No such file"));
    /* No key is left behind that would stop the next attempt. */
    unlink(key_file);
    r.key_file = key_file;
    r.cert_file = "/nonexistent/cert";
    assert_int_equal(cert_make(&r, why, sizeof(why)), RC_INVALID);
    assert_non_null(strstr(why, "/nonexistent/cert: No such file"));
    assert_int_equal(access(key_file, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_ours_is_known_again),
        cmocka_unit_test(test_an_operators_is_left_alone),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
