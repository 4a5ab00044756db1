#include "invite.h"

#include "base/arena.h"
#include "credentials.h"
#include "site.h"
#include "svc/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct options standard = {
    .mail_domain = "chat.example",
    .public_host = "",
    .public_imaps_port = 993,
    .public_imap_port = 143,
    .public_submissions_port = 465,
    .public_submission_port = 587,
    .public_https_port = 443,
    .username_min_length = 9,
    .username_max_length = 9,
    .password_min_length = 9,
    .nocreate_file = "",
    .disk_path = "/",
    .registration_open = true,
};

static const struct {
    const char *what, *domain, *host;
    int imaps, submissions, https;
    bool self_signed;
    enum invite_kind kind;
    const char *text;
} cases[] = {
    { "domain with a certificate", "chat.example", "", 993, 465, 443, false, INVITE_HTTP,
      "DCACCOUNT:https://chat.example/new" },
    { "the same, said twice", "chat.example", "chat.example", 993, 465, 443, false,
      INVITE_HTTP, "DCACCOUNT:https://chat.example/new" },
    { "web server elsewhere", "chat.example", "", 993, 465, 8443, false, INVITE_DOMAIN,
      "dcaccount:chat.example" },
    { "mail host of another name", "chat.example", "mx.chat.example", 993, 465, 443,
      false, INVITE_LOGIN,
      "dclogin:abc@chat.example?p=p%22%5C%25%20%3A%26x&v=1&ih=mx.chat.example&ip=993"
      "&is=ssl&sh=mx.chat.example&sp=465&ss=ssl" },
    { "other ports", "chat.example", "", 2993, 2465, 443, false, INVITE_LOGIN,
      "dclogin:abc@chat.example?p=p%22%5C%25%20%3A%26x&v=1&ih=chat.example&ip=2993"
      "&is=ssl&sh=chat.example&sp=2465&ss=ssl" },
    { "underscore: certificate cannot be verified", "_chat.test", "", 993, 465, 443,
      false, INVITE_LOGIN,
      "dclogin:abc@_chat.test?p=p%22%5C%25%20%3A%26x&v=1&ih=_chat.test&ip=993&is=ssl"
      "&sh=_chat.test&sp=465&ss=ssl&ic=3" },
    { "a name like any other, but a self-signed certificate", "chat.example", "", 993,
      465, 443, true, INVITE_LOGIN,
      "dclogin:abc@chat.example?p=p%22%5C%25%20%3A%26x&v=1&ih=chat.example&ip=993&is=ssl"
      "&sh=chat.example&sp=465&ss=ssl&ic=3" },
    { "address only", "[192.0.2.7]", "", 993, 465, 443, false, INVITE_LOGIN,
      "dclogin:abc@[192.0.2.7]?p=p%22%5C%25%20%3A%26x&v=1&ih=192.0.2.7&ip=993&is=ssl"
      "&sh=192.0.2.7&sp=465&ss=ssl&ic=3" },
    { "a name, but clients are sent to an address", "chat.example", "127.0.0.1", 2993,
      2465, 8443, false, INVITE_LOGIN,
      "dclogin:abc@chat.example?p=p%22%5C%25%20%3A%26x&v=1&ih=127.0.0.1&ip=2993&is=ssl"
      "&sh=127.0.0.1&sp=2465&ss=ssl&ic=3" },
};

static void test_texts(void **state)
{
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options o = standard;
        struct credentials c = {
            .email = str_of(arena_printf(a, "abc@%s", cases[i].domain)),
            .password = S("p\"\\% :&x"),
        };
        struct site site;
        str_t text;

        o.mail_domain = cases[i].domain;
        o.public_host = cases[i].host;
        o.public_imaps_port = cases[i].imaps;
        o.public_submissions_port = cases[i].submissions;
        o.public_https_port = cases[i].https;
        site_init(&site, a, &o, cases[i].self_signed);
        text = invite_text(&site, a, &c);
        if (invite_kind(&site) != cases[i].kind || !str_eq(text, str_of(cases[i].text)))
            fail_msg("%s: got %.*s", cases[i].what, STR_ARG(text));
    }
    arena_free(&a);
}

static void test_base_url(void **state)
{
    struct arena *a = arena_new();
    struct options o = standard;
    struct site site;

    (void)state;
    site_init(&site, a, &o, false);
    assert_true(str_eq(site.base_url, S("https://chat.example")));
    o.public_https_port = 8443;
    site_init(&site, a, &o, false);
    assert_true(str_eq(site.base_url, S("https://chat.example:8443")));
    o.public_host = "2001:db8::1";
    site_init(&site, a, &o, false);
    assert_true(str_eq(site.base_url, S("https://[2001:db8::1]:8443")));
    assert_false(site.is_trusted);
    assert_true(str_eq(site.autoconfig_host, S("chat.example")));
    o.mail_domain = "[192.0.2.7]";
    o.public_host = "";
    site_init(&site, a, &o, false);
    assert_true(str_eq(site.autoconfig_host, S("192.0.2.7")));
    arena_free(&a);
}

static void test_registration(void **state)
{
    struct arena *a = arena_new();
    struct options o = standard;
    struct site site;

    (void)state;
    site_init(&site, a, &o, false);
    assert_int_equal(site_registration(&site), SITE_OPEN);
    o.nocreate_file = "/proc/self/exe"; /* exists wherever this test runs */
    assert_int_equal(site_registration(&site), SITE_CLOSED);
    o.nocreate_file = "/nowhere/at/all";
    assert_int_equal(site_registration(&site), SITE_OPEN);
    o.min_available_memory = INT64_MAX;
    assert_int_equal(site_registration(&site), SITE_OVERLOADED);
    o.registration_open = false;
    assert_int_equal(site_registration(&site), SITE_CLOSED);
    arena_free(&a);
}

static void test_size_text(void **state)
{
    static const struct {
        int64_t bytes;
        const char *want;
    } sizes[] = {
        { 0, "0 bytes" },      { 999, "999 bytes" },     { 1000, "1 kB" },
        { 31457280, "31 MB" }, { 500000000, "500 MB" },  { 1500000000, "1.5 GB" },
        { 999999999, "1 GB" }, { 1073741824, "1.1 GB" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        assert_string_equal(site_size_text(a, sizes[i].bytes), sizes[i].want);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_base_url),
        cmocka_unit_test(test_registration),
        cmocka_unit_test(test_size_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
