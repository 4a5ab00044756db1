/* check_test.h - does a call end in CHECK?  Tried in a child, for tests only. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool check_test_aborts(void (*call)(void *), void *arg)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        /* cmocka's handler of the signal would only say that a test failed. */
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        call(arg);
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}
