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
};

static str_t render_with(struct arena *a, const struct options *o, bool self_signed,
                         const char *file)
{
    struct site *site = arena_alloc(a, sizeof(*site));

    site_init(site, a, o, self_signed);
    return page_render(page_new(site, a), "Title", file);
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
        "17 days", "6 days", "88 days", "61 messages",  "11 of",
        "400 MB",  "29 MB",  "2993",    "chat.example", "<title>Title – chat"
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

static void test_privacy(void **state)
{
    struct arena *a = arena_new();
    struct options o = plain;
    str_t page = render(a, &o, "privacy.html");

    (void)state;
    assert_true(has(page, "has not published a contact"));
    assert_false(has(page, "Data protection officer"));
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
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_privacy),
        cmocka_unit_test(test_autoconfig),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
