/* test_certificate.h - throw-away certificates for tests, by the openssl
 * program (so that no second file opens the TLS library's door). */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void test_certificate_run(char **argv)
{
    posix_spawn_file_actions_t quiet;
    int status = -1;
    pid_t pid;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&pid, "openssl", &quiet, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ca_cert, ca_key: who issues it; NULL: it is self-signed. */
static inline void test_certificate_issue(const char *cert, const char *key,
                                          const char *name, const char *ca_cert,
                                          const char *ca_key)
{
    char subject[128], alt[160];
    char *argv[] = { "openssl",
                     "req",
                     "-x509",
                     "-newkey",
                     "ec",
                     "-pkeyopt",
                     "ec_paramgen_curve:P-256",
                     "-nodes",
                     "-days",
                     "30",
                     "-subj",
                     subject,
                     "-addext",
                     alt,
                     "-keyout",
                     (char *)key,
                     "-out",
                     (char *)cert,
                     ca_cert == NULL ? NULL : "-CA",
                     (char *)ca_cert,
                     "-CAkey",
                     (char *)ca_key,
                     NULL };

    snprintf(subject, sizeof(subject), "/CN=%s", name);
    snprintf(alt, sizeof(alt), "subjectAltName=DNS:%s,IP:127.0.0.1", name);
    test_certificate_run(argv);
}

static inline void test_certificate_write(const char *cert, const char *key,
                                          const char *name)
{
    test_certificate_issue(cert, key, name, NULL, NULL);
}

/* One that was good until yesterday.  `openssl req` makes none, `openssl x509` does. */
static inline void test_certificate_expired(const char *cert, const char *key,
                                            const char *request)
{
    char *ask[] = { "openssl",
                    "req",
                    "-new",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-subj",
                    "/CN=mail.example",
                    "-keyout",
                    (char *)key,
                    "-out",
                    (char *)request,
                    NULL };
    char *issue[] = { "openssl",   "x509",  "-req", "-in",  (char *)request, "-signkey",
                      (char *)key, "-days", "-1",   "-out", (char *)cert,    NULL };

    test_certificate_run(ask);
    test_certificate_run(issue);
}
