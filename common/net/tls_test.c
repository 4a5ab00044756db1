/* tls_test.c - what a server context agrees to, and which certificate it serves.
 *
 * The client is the openssl program, which can ask for what ours never would.
 */
#include "net/tls.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/test_certificate.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 10 * 1000, ARGUMENTS_MAX = 16, OUTPUT_MAX = 64 * 1024 };

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct listener_options options;
    struct tls_context *server;
    char cert[64], key[64], request[64];
};

static void echo_input(struct conn *c)
{
    struct buf *in = conn_in(c);

    buf_append(conn_out(c), in->p, in->n);
    buf_consume(in, in->n);
    conn_flush(c);
}

static void nothing(struct conn *c)
{
    (void)c;
}

static const struct conn_handler echo = { .on_input = echo_input, .on_close = nothing };

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));

    snprintf(f->cert, sizeof(f->cert), "/tmp/tls_test.%d.crt", (int)getpid());
    snprintf(f->key, sizeof(f->key), "/tmp/tls_test.%d.key", (int)getpid());
    snprintf(f->request, sizeof(f->request), "/tmp/tls_test.%d.csr", (int)getpid());
    test_certificate_write(f->cert, f->key, "mail.example");
    f->loop = loop_new("test");
    loop_start(f->loop);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_free(&f->listener);
    loop_stop(f->loop);
    loop_free(&f->loop);
    tls_context_free(&f->server);
    unlink(f->cert);
    unlink(f->key);
    unlink(f->request);
    mem_free(f);
    return 0;
}

static void serve(struct fixture *f, enum tls_version min_version)
{
    struct tls_server_options o = { .cert_file = f->cert,
                                    .key_file = f->key,
                                    .min_version = min_version,
                                    .alpn = "imap,smtp" };

    assert_int_equal(tls_server_new(&o, NULL, &f->server), RC_OK);
    f->options = (struct listener_options){ .address = "127.0.0.1",
                                            .tls = f->server,
                                            .handler = &echo };
    assert_int_equal(listener_new(f->loop, &f->options, &f->listener), RC_OK);
}

/* `openssl s_client` with these words more; in, out: descriptors, or -1 for /dev/null. */
static pid_t start_client(struct fixture *f, const char *const *words, int in, int out)
{
    char to[32], *argv[ARGUMENTS_MAX] = { "openssl", "s_client", "-connect", to };
    posix_spawn_file_actions_t files;
    size_t n = 4;
    pid_t pid;

    snprintf(to, sizeof(to), "127.0.0.1:%u", (unsigned)listener_port(f->listener));
    for (; *words != NULL; words++)
        argv[n++] = (char *)(uintptr_t)*words;
    posix_spawn_file_actions_init(&files);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    if (in >= 0)
        posix_spawn_file_actions_adddup2(&files, in, 0);
    for (int fd = 1; out >= 0 && fd < 3; fd++)
        posix_spawn_file_actions_adddup2(&files, out, fd);
    assert_int_equal(posix_spawnp(&pid, "openssl", &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static bool ends_well(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Does a client that insists on these words come to terms with us? */
#define AGREES(f, ...)                                                                   \
    ends_well(start_client(f, (const char *const[]){ __VA_ARGS__, NULL }, -1, -1))

static void tls12_has_aead_suites_only(void **state)
{
    struct fixture *f = *state;

    serve(f, TLS_VERSION_1_2);
    assert_true(AGREES(f, "-tls1_3"));
    assert_true(AGREES(f, "-tls1_2", "-cipher", "ECDHE+AESGCM"));
    assert_true(AGREES(f, "-tls1_2", "-cipher", "ECDHE+CHACHA20"));
    assert_false(AGREES(f, "-tls1_2", "-cipher", "ECDHE+AES:!AESGCM"));
    assert_false(AGREES(f, "-tls1_2", "-cipher", "ECDHE+AESCCM"));
    assert_false(AGREES(f, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"));
}

static void tls12_is_refused_where_13_is_demanded(void **state)
{
    struct fixture *f = *state;

    serve(f, TLS_VERSION_1_3);
    assert_true(AGREES(f, "-tls1_3"));
    assert_false(AGREES(f, "-tls1_2"));
}

/* RFC 7301 3.2: who offers only what we do not speak is told so at once. */
static void alpn_is_ours_or_absent(void **state)
{
    static const char *const versions[] = { "-tls1_2", "-tls1_3" };
    struct fixture *f = *state;

    serve(f, TLS_VERSION_1_2);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        assert_true(AGREES(f, versions[i]));
        assert_true(AGREES(f, versions[i], "-alpn", "smtp"));
        assert_true(AGREES(f, versions[i], "-alpn", "h2,imap"));
        assert_false(AGREES(f, versions[i], "-alpn", "h2,http/1.1"));
        assert_false(AGREES(f, versions[i], "-alpn", "imap4"));
    }
}

/* Reads until one of these is there (then true) or the client has ended (false). */
static bool says(int fd, struct buf *seen, const char *word)
{
    struct deadline until = deadline_in_ms(WAIT_MS);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n = 1;

    while (n > 0 && str_find(buf_str(seen), str_of(word)) == SIZE_MAX) {
        char *to = buf_reserve(seen, 4096);

        assert_non_null(to);
        assert_int_equal(poll(&p, 1, (int)deadline_left_ms(until)), 1);
        n = read(fd, to, 4096);
        if (n > 0)
            buf_commit(seen, (size_t)n);
    }
    return n > 0;
}

static void type(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* RFC 7525 3.5: it costs us far more than the client, and no client of ours needs it. */
static void renegotiation_is_refused(void **state)
{
    static const char *const tls12[] = { "-tls1_2", NULL };
    struct fixture *f = *state;
    struct buf seen;
    int in[2], out[2];
    pid_t pid;

    serve(f, TLS_VERSION_1_2);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = start_client(f, tls12, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    buf_init(&seen, OUTPUT_MAX);
    type(in[1], "once\n");
    assert_true(says(out[0], &seen, "\nonce\n"));
    type(in[1], "R\n"); /* s_client's word for it */
    assert_true(says(out[0], &seen, "RENEGOTIATING"));
    type(in[1], "twice\n");
    assert_false(says(out[0], &seen, "\ntwice\n"));
    assert_false(ends_well(pid));
    close(in[1]);
    close(out[0]);
    buf_fini(&seen);
}

/* A renewal that went wrong must not take down what still works. */
static void an_expired_certificate_is_not_swapped_in(void **state)
{
    struct fixture *f = *state;
    struct buf why;
    int64_t expires;

    serve(f, TLS_VERSION_1_3);
    expires = tls_context_not_after_unix(f->server);
    test_certificate_expired(f->cert, f->key, f->request);
    buf_init(&why, 1000);
    assert_int_equal(tls_context_poll(f->server, &why), RC_INVALID);
    assert_true(str_find(buf_str(&why), S("expired")) != SIZE_MAX);
    assert_true(str_starts(buf_str(&why), str_of(f->cert)));
    buf_fini(&why);
    assert_true(tls_context_not_after_unix(f->server) == expires);
    test_certificate_write(f->cert, f->key, "mail.example");
    assert_int_equal(tls_context_poll(f->server, NULL), RC_OK);
}

/* There is nothing better, and a client may not care. */
static void an_expired_certificate_is_better_than_none(void **state)
{
    struct fixture *f = *state;

    test_certificate_expired(f->cert, f->key, f->request);
    serve(f, TLS_VERSION_1_3);
    assert_true(AGREES(f, "-tls1_3"));
    test_certificate_expired(f->cert, f->key, f->request);
    assert_int_equal(tls_context_poll(f->server, NULL), RC_OK);
}

static void who_has_to_read_a_file_is_told(void **state)
{
    enum { NOBODY = 65534 };
    struct fixture *f = *state;
    bool root = geteuid() == 0;
    char expected[64];
    struct buf why;

    serve(f, TLS_VERSION_1_3);
    buf_init(&why, 1000);
    assert_int_equal(chmod(f->key, 0), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    snprintf(expected, sizeof(expected), "; user %u has to read it", (unsigned)geteuid());
    assert_int_equal(tls_context_poll(f->server, &why), RC_INVALID);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_true(str_find(buf_str(&why), str_of(expected)) != SIZE_MAX);
    assert_int_equal(chmod(f->key, 0600), 0);
    buf_fini(&why);
}

/* What is wrong for hours is told once, and what comes back is no news. */
static void a_file_that_cannot_be_read_is_told_once(void **state)
{
    struct fixture *f = *state;
    char aside[80];
    struct buf why;

    serve(f, TLS_VERSION_1_3);
    snprintf(aside, sizeof(aside), "%s.aside", f->key);
    buf_init(&why, 1000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rename(f->key, aside), 0);
        assert_int_equal(tls_context_poll(f->server, &why), RC_INVALID);
        assert_true(str_find(buf_str(&why), S("No such file")) != SIZE_MAX);
        assert_int_equal(tls_context_poll(f->server, &why), RC_NOT_FOUND);
        assert_int_equal(rename(aside, f->key), 0);
        assert_int_equal(tls_context_poll(f->server, &why), RC_NOT_FOUND);
        buf_clear(&why);
    }
    buf_fini(&why);
    assert_true(AGREES(f, "-tls1_3"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tls12_has_aead_suites_only),
        TEST(tls12_is_refused_where_13_is_demanded),
        TEST(alpn_is_ours_or_absent),
        TEST(renegotiation_is_refused),
        TEST(an_expired_certificate_is_not_swapped_in),
        TEST(an_expired_certificate_is_better_than_none),
        TEST(a_file_that_cannot_be_read_is_told_once),
        TEST(who_has_to_read_a_file_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
