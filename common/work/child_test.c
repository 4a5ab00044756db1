/* child_test.c - programs that behave, and programs that do not. */
#include "work/child.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct arena *arena;
static size_t input(void *user, char *to, size_t room)
{
    size_t *left = user, n = *left < room ? *left : room;

    memset(to, 'x', n);
    *left -= n;
    return n;
}

static enum rc run_for(const char *script, size_t bytes, int64_t ms, int wake,
                       struct buf **said, int *code)
{
    char *words[] = { "/bin/sh", "-c", arena_cstr(arena, str_of(script)), NULL };
    struct child_options o = { .words = words,
                               .until = deadline_in_ms(ms),
                               .output_max_bytes = 1000,
                               .memory_bytes = INT64_C(256) << 20,
                               .wake_fd = wake,
                               .input = input,
                               .user = &bytes };

    *said = arena_buf(arena, 10000);
    return child_run(&o, *said, code);
}

static void says(const char *script, size_t bytes, const char *text, int expected)
{
    struct buf *said;
    int code = -1;

    assert_int_equal(run_for(script, bytes, 20000, -1, &said, &code), RC_OK);
    if (code != expected || !str_eq(buf_str(said), str_of(text)))
        fail_msg("%s: %d \"%.*s\"", script, code, STR_ARG(buf_str(said)));
}

static int begin(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_free(&arena);
    /* Each was waited for. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    return 0;
}

static void it_reads_says_and_ends(void **state)
{
    (void)state;
    says("exit 0", 0, "", 0);
    says("exit 7", 0, "", 7);
    says("wc -c", 1000000, "1000000\n", 0);
    says("echo a; echo b >&2; exit 3", 1000000, "a\n", 3); /* which reads nothing */
    says("exec /nonexistent 2>/dev/null", 0, "", 127);
}

static void what_surrounds_it(void **state)
{
    int fd = open("/dev/null", O_RDONLY); /* as of a library that forgot to close it */

    (void)state;
    assert_int_equal(setenv("SECRET", "1", 1), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    says("export -p | grep -c SECRET; pwd; umask", 0, "0\n/\n0077\n", 0);
    (void)fd;
}

static void what_it_may(void **state)
{
    (void)state;
    says("grep -E '^(NoNewPrivs|SigBlk)' /proc/self/status | tr -d '\\t' | sort", 0,
         "NoNewPrivs:1\nSigBlk:0000000000000000\n", 0);
    /* Signals 32 and 33 are the C library's: it lets nobody set them, and those that make
     * starts have them ignored. */
    says("ignored=$(sed -n 's/^SigIgn:[^0-9]*/0x/p' /proc/self/status);"
         "echo $((ignored & ~0x180000000))",
         0, "0\n", 0);
    says("ls /proc/self/fd | grep -cv '^[0-3]$'", 0, "0\n", 1); /* 3 is ls's own */
    says("ulimit -n; ulimit -c; test $(ulimit -t) -le 21 && echo ok", 0, "64\n0\nok\n",
         0);
    says("dd if=/dev/zero of=/dev/null bs=1000000000 count=1 2>/dev/null || echo no", 0,
         "no\n", 0);
}

static void what_does_not_end_is_killed_with_all_of_its_own(void **state)
{
    struct buf *said;
    int code;
    char *end;
    pid_t pid;

    (void)state;
    assert_int_equal(run_for("sleep 1000 & echo $!; wait", 0, 1000, -1, &said, &code),
                     RC_TIMEOUT);
    pid = (pid_t)strtol(arena_cstr(arena, buf_str(said)), &end, 10);
    assert_true(pid > 1);
    for (int i = 0; i < 2000 && kill(pid, 0) == 0; i++)
        usleep(1000); /* until whoever has inherited it waits for it */
    says(arena_printf(arena, "grep -q '^State:.Z' /proc/%d/status || test ! -e /proc/%d",
                      (int)pid, (int)pid),
         0, "", 0);
}

static void one_that_leaves_others_behind_has_ended(void **state)
{
    int64_t before = clock_monotonic_ms();

    (void)state;
    says("sleep 1000 & echo gone", 0, "gone\n", 0);
    assert_true(clock_monotonic_ms() - before < 900000);
}

static void what_is_too_much(void **state)
{
    struct buf *said;
    int code;

    (void)state;
    assert_int_equal(run_for("yes", 0, 20000, -1, &said, &code), RC_LIMIT);
    assert_int_equal(run_for("kill -9 $$", 0, 20000, -1, &said, &code), RC_INVALID);
    assert_int_equal(run_for("exec 1>&-; sleep 1000", 100000000, 300, -1, &said, &code),
                     RC_TIMEOUT);
}

static void who_is_not_wanted_any_more_ends(void **state)
{
    int wake = eventfd(1, EFD_CLOEXEC);
    struct buf *said;
    int code;

    (void)state;
    assert_int_equal(run_for("sleep 1000", 0, 1000000, wake, &said, &code), RC_CLOSED);
    (void)close(wake);
}

static void *many(void *failed)
{
    char *words[] = { "/bin/true", NULL };
    size_t none = 0;
    struct child_options o = { .words = words,
                               .until = deadline_in_ms(60000),
                               .output_max_bytes = 10,
                               .memory_bytes = INT64_C(256) << 20,
                               .wake_fd = -1,
                               .input = input,
                               .user = &none };
    struct arena *a = arena_new();

    for (int i = 0; i < 20; i++) {
        int code = -1;

        if (child_run(&o, arena_buf(a, 10), &code) != RC_OK || code != 0)
            *(bool *)failed = true;
    }
    arena_free(&a);
    return NULL;
}

static void threads_do_not_mix_their_children_up(void **state)
{
    pthread_t threads[4];
    bool failed[4] = { false };

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many, &failed[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failed[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_reads_says_and_ends, begin, finish),
        cmocka_unit_test_setup_teardown(what_surrounds_it, begin, finish),
        cmocka_unit_test_setup_teardown(what_it_may, begin, finish),
        cmocka_unit_test_setup_teardown(what_does_not_end_is_killed_with_all_of_its_own,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(one_that_leaves_others_behind_has_ended, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(what_is_too_much, begin, finish),
        cmocka_unit_test_setup_teardown(who_is_not_wanted_any_more_ends, begin, finish),
        cmocka_unit_test_setup_teardown(threads_do_not_mix_their_children_up, begin,
                                        finish),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
