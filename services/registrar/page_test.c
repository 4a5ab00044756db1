#include "page.h"

#include "base/arena.h"
#include "site.h"
#include "svc/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct options plain = {
    .mail_domain = "chat.example",
    .public_host = "",
    .public_imaps_port = 2993,
    .public_imap_port = 143,
    .public_submissions_port = 465,
    .public_submission_port = 587,
    .public_https_port = 443,
    .delete_mails_after = 17,
    .delete_large_after = 6,
    .delete_inactive_users_after = 88,
    .max_user_send_per_minute = 61,
    .max_user_send_burst_size = 11,
    .max_mailbox_size = 400000000,
    .max_message_size = 29000000,
    .privacy_postal = "",
    .privacy_mail = "",
    .privacy_pdo = "",
    .privacy_supervisor = "",
    .log_level = "info",
};

static str_t render_with(struct arena *a, const struct options *o, bool self_signed,
                         const char *file)
{
    struct site *site = arena_alloc(a, sizeof(*site));
    struct page *page;

    site_init(site, a, o, self_signed);
    page = page_new(site, a);
    /* What the routes of these pages set. */
    page_set(page, "open", S("yes"));
    page_set(page, "busy", S(""));
    page_set(page, "closed", S(""));
    page_set(page, "invite", S("dcaccount:x"));
    page_set(page, "qr", S("<svg></svg>"));
    page_set(page, "personal", S(""));
    return page_render(page, "Title", file);
}

static str_t render(struct arena *a, const struct options *o, const char *file)
{
    return render_with(a, o, false, file);
}

static bool has(str_t text, const char *piece)
{
    return str_find(text, str_of(piece)) != SIZE_MAX;
}

/* Each figure of the information page is the configured one. */
static void test_figures(void **state)
{
    static const char *const figures[] = {
        "17 days", "6 days", "88 days", "61 messages a minute", "up to 11 at once",
        "400 MB",  "29 MB",  "2993",    "chat.example",         "<title>Title – chat"
    };
    struct arena *a = arena_new();
    str_t page = render(a, &plain, "info.html");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        if (!has(page, figures[i]))
            fail_msg("missing: %s", figures[i]);
    assert_false(has(page, "{{"));
    assert_false(has(page, "self-signed"));
    assert_true(has(render_with(a, &plain, true, "info.html"), "self-signed"));
    arena_free(&a);
}

static void test_one_of_each(void **state)
{
    static const char *const files[] = { "start.html", "info.html", "privacy.html" };
    struct arena *a = arena_new();
    struct options o = plain;

    (void)state;
    o.delete_mails_after = o.delete_large_after = o.delete_inactive_users_after = 1;
    o.max_user_send_per_minute = 1;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        str_t page = render(a, &o, files[i]);

        assert_true(has(page, "1 day"));
        assert_false(has(page, "1 days") || has(page, "1 messages"));
    }
    arena_free(&a);
}

/* Nobody is promised people who cannot be reached from here. */
static void test_other_servers(void **state)
{
    static const struct {
        const char *domain;
        bool self_signed;
        const char *start, *info;
    } rows[] = {
        { "chat.example", false, "everybody who has a profile on this", "no signature" },
        { "chat.example", true, "everybody who has a profile on this",
          "They refuse the" },
        { "_x.example", false, "everybody who has a profile on this", "They refuse the" },
        { "[192.0.2.1]", true, "on other chatmail", "accept messages from here" },
    };
    struct arena *a = arena_new();
    struct options o = plain;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        o.mail_domain = rows[i].domain;
        assert_true(
            has(render_with(a, &o, rows[i].self_signed, "start.html"), rows[i].start));
        assert_true(
            has(render_with(a, &o, rows[i].self_signed, "info.html"), rows[i].info));
    }
    arena_free(&a);
}

/* A long name stands once on top, where it may go on behind a dot; and the button comes
 * before the code, which a telephone cannot scan from its own screen. */
static void test_layout(void **state)
{
    struct arena *a = arena_new();
    struct options o = plain;
    str_t page;

    (void)state;
    o.mail_domain = "a-long-name.of-a-server.example";
    page = render(a, &o, "start.html");
    assert_true(has(page, "<span>a-long-name.<wbr>of-a-server.<wbr>example</span>"));
    page = str_skip(page, str_find(page, S("<main>")));
    page = str_head(page, str_find(page, S("</main>")));
    assert_false(has(str_head(page, str_find(page, S("<section"))), "a-long-name"));
    assert_true(str_find(page, S("class=\"button\"")) < str_find(page, S("<svg")));
    arena_free(&a);
}

static void test_privacy(void **state)
{
    struct arena *a = arena_new();
    struct options o = plain;
    str_t page = render(a, &o, "privacy.html");

    (void)state;
    assert_true(has(page, "has not published a contact"));
    assert_false(has(page, "Data protection officer"));
    assert_false(has(page, "Push")); /* there is none */
    assert_true(has(page, "not who logged in"));
    o.log_level = "debug";
    assert_true(has(render(a, &o, "privacy.html"), "which profile logs in when"));
    o.privacy_postal = "Jo <Doe>\nStreet 1";
    o.privacy_mail = "jo@chat.example";
    o.privacy_pdo = "Officer & Sons";
    page = render(a, &o, "privacy.html");
    assert_true(has(page, "Jo &lt;Doe&gt;\nStreet 1"));
    assert_true(has(page, "mailto:jo@chat.example"));
    assert_true(has(page, "Officer &amp; Sons"));
    assert_false(has(page, "has not published a contact"));
    assert_false(has(page, "Supervisory authority"));
    arena_free(&a);
}

static void test_autoconfig(void **state)
{
    struct arena *a = arena_new();
    struct site site;
    str_t xml;

    (void)state;
    site_init(&site, a, &plain, false);
    xml = page_render_bare(page_new(&site, a), "autoconfig.xml");
    assert_true(has(xml, "<port>2993</port>\n      <socketType>SSL"));
    assert_true(has(xml, "<port>587</port>\n      <socketType>STARTTLS"));
    assert_true(has(xml, "<hostname>chat.example</hostname>"));
    assert_true(has(xml, "%EMAILADDRESS%"));
    assert_false(has(xml, "{{"));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),       cmocka_unit_test(test_one_of_each),
        cmocka_unit_test(test_other_servers), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_privacy),       cmocka_unit_test(test_autoconfig),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
