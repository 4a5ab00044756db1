/* verb_cert_test.c - cert never writes over a file that it did not make. */
#include "verb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/postbus-verb-cert-XXXXXX";
static char cert_file[64], key_file[64];

static int set_up(void **state)
{
    (void)state;
    memcpy(strrchr(folder, '-'), "-XXXXXX", 7);
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
    return rmdir(folder); /* and no draft is left */
}

static int cert(const char *more)
{
    char *argv[] = { "--domain", "a.example", "--certificate", cert_file,
                     "--key",    key_file,    (char *)more };

    return verb_cert(more == NULL ? 6 : 7, argv);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static bool holds(const char *path, const char *text)
{
    char got[64] = "";
    FILE *f = fopen(path, "r");
    size_t n;

    if (f == NULL)
        return false;
    n = fread(got, 1, sizeof(got) - 1, f);
    fclose(f);
    return n > 0 && strcmp(got, text) == 0;
}

static void both_are_made_once(void **state)
{
    (void)state;
    assert_int_equal(cert(NULL), VERB_DONE);
    assert_int_equal(cert(NULL), VERB_FAILED);
    assert_int_equal(cert("--if-needed"), VERB_DONE);
}

static void a_key_alone_is_kept(void **state)
{
    (void)state;
    put(key_file, "the operator's key");
    assert_int_equal(cert("--if-needed"), VERB_FAILED);
    assert_int_equal(cert(NULL), VERB_FAILED);
    assert_true(holds(key_file, "the operator's key"));
    assert_int_equal(access(cert_file, F_OK), -1);
}

static void a_certificate_alone_is_kept(void **state)
{
    (void)state;
    put(cert_file, "the operator's certificate");
    assert_int_equal(cert("--if-needed"), VERB_FAILED);
    assert_true(holds(cert_file, "the operator's certificate"));
    assert_int_equal(access(key_file, F_OK), -1);
}

/* Renewal tools leave links; the file behind one may be on a volume that is not there. */
static void a_link_to_nowhere_is_kept(void **state)
{
    char target[64];

    (void)state;
    assert_int_equal(symlink("/nonexistent/key", key_file), 0);
    assert_int_equal(cert("--if-needed"), VERB_FAILED);
    assert_int_equal(readlink(key_file, target, sizeof(target)), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_are_made_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_alone_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_alone_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_to_nowhere_is_kept, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
