#include "www.h"

#include "base/arena.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const struct {
    const char *path;
    bool is_plain;
} paths[] = {
    { "/", true },
    { "/index.html", true },
    { "/a/b-c_d/e.F9", true },
    { "/a/", true },
    { "/.well-known/acme-challenge/abc_D-1", true },
    { "", false },
    { "index.html", false },
    { "/..", false },
    { "/../etc/passwd", false },
    { "/a/../../etc/passwd", false },
    { "/a/./b", false },
    { "/.git/config", false },
    { "/%2e%2e/etc/passwd", false },
    { "/a\\..\\b", false },
    { "/a//b", false },
    { "//etc/passwd", false },
    { "/a b", false },
    { "/a\nb", false },
    { "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", false }, /* 17 folders */
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (www_is_plain_path(str_of(paths[i].path)) != paths[i].is_plain)
            fail_msg("judged wrong: %s", paths[i].path);
    assert_false(www_is_plain_path(S("/a\0b")));
}

static void write_file(int folder, const char *name, const char *text, size_t bytes)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    if (bytes > 0)
        assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

static void test_read(void **state)
{
    static const struct {
        const char *path, *text, *type;
    } files[] = {
        { "/", "start", "text/html; charset=utf-8" },
        { "/index.html", "start", "text/html; charset=utf-8" },
        { "/info", "figures", "text/html; charset=utf-8" },
        { "/sub/", "below", "text/html; charset=utf-8" },
        { "/look.css", "css", "text/css; charset=utf-8" },
    };
    static const char *const absent[] = { "/none", "/sub", "/pipe", "/../index.html" };
    char name[] = "/tmp/www_test.XXXXXX";
    struct arena *a = arena_new();
    const char *type;
    str_t body;
    int folder;

    (void)state;
    assert_non_null(mkdtemp(name));
    folder = www_open(name);
    assert_true(folder >= 0);
    assert_int_equal(mkdirat(folder, "sub", 0700), 0);
    assert_int_equal(mkfifoat(folder, "pipe", 0600), 0);
    write_file(folder, "index.html", "start", 0);
    write_file(folder, "info.html", "figures", 0);
    write_file(folder, "sub/index.html", "below", 0);
    write_file(folder, "look.css", "css", 0);
    write_file(folder, "big.bin", "", 9 << 20);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        assert_int_equal(www_read(folder, a, str_of(files[i].path), &type, &body), RC_OK);
        assert_true(str_eq(body, str_of(files[i].text)));
        assert_string_equal(type, files[i].type);
    }
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        assert_int_equal(www_read(folder, a, str_of(absent[i]), &type, &body),
                         RC_NOT_FOUND);
    assert_int_equal(www_read(folder, a, S("/big.bin"), &type, &body), RC_LIMIT);
    assert_int_equal(www_read(-1, a, S("/index.html"), &type, &body), RC_NOT_FOUND);
    for (const char *const *p =
             (const char *const[]){ "index.html", "info.html", "sub/index.html",
                                    "look.css", "big.bin", "pipe", NULL };
         *p != NULL; p++)
        assert_int_equal(unlinkat(folder, *p, 0), 0);
    assert_int_equal(unlinkat(folder, "sub", AT_REMOVEDIR), 0);
    close(folder);
    assert_int_equal(rmdir(name), 0);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
