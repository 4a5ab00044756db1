/* dnsbl_test.c - lists as an operator writes them, and what they say together. */
#include "mail/dnsbl.h"

#include "mail/test_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void as_text(void **state)
{
    const char *text = " zen.example score=2 ,dwl.example look=ehlo+mailfrom\n"
                       " responses=127.0.0.2+127.1.0.0/16 score=-5, plain.example ";
    struct arena *a = arena_new();
    struct dnsbl d;
    char why[200];

    (void)state;
    assert_int_equal(dnsbl_parse(a, str_of(text), &d, why, sizeof(why)), RC_OK);
    assert_int_equal(d.count, 3);
    assert_true(str_eq(d.lists[0].zone, S("zen.example")));
    assert_int_equal(d.lists[0].score, 2);
    assert_int_equal(d.lists[0].look, DNSBL_IPV4 | DNSBL_IPV6);
    assert_int_equal(d.lists[0].network_count, 1);
    assert_int_equal(d.lists[0].networks[0].address, 0x7f000000);
    assert_int_equal(d.lists[0].networks[0].mask, 0xffffff00);
    assert_int_equal(d.lists[1].look, DNSBL_EHLO | DNSBL_MAILFROM);
    assert_int_equal(d.lists[1].score, -5);
    assert_int_equal(d.lists[1].network_count, 2);
    assert_int_equal(d.lists[1].networks[0].mask, 0xffffffff);
    assert_int_equal(d.lists[1].networks[1].mask, 0xffff0000);
    assert_int_equal(d.lists[2].score, 1);
    assert_int_equal(dnsbl_parse(a, S("  "), &d, why, sizeof(why)), RC_OK);
    assert_int_equal(d.count, 0);
    arena_free(&a);
}

static void what_is_none(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "zen", "zen: not a zone" },
        { "zen.example.", "not a zone" },
        { "z\xc3\xa4n.example", "not a zone" },
        { "zen..example", "not a zone" },
        { ",zen.example", ": not a zone" },
        { "zen.example 127.0.0.2", "zen.example: 127.0.0.2: must be look=, resp" },
        { "zen.example score=", "must be a whole number" },
        { "zen.example score=1.5", "must be a whole number" },
        { "zen.example score=1001", "-1000 to 1000" },
        { "zen.example look=ip", "must be of ipv4, ipv6" },
        { "zen.example look=", "must be of ipv4, ipv6" },
        { "zen.example responses=127.0.0.1/24", "IPv4 networks" },
        { "zen.example responses=127.0.0", "IPv4 networks" },
        { "zen.example responses=127.0.0.0.1", "IPv4 networks" },
        { "zen.example responses=127.0.0.0/33", "IPv4 networks" },
        { "zen.example responses=::1", "IPv4 networks" },
        { "zen.example responses=1.1.1.1+1.1.1.2+1.1.1.3+1.1.1.4+1.1.1.5+1.1.1.6+1.1.1.7"
          "+1.1.1.8+1.1.1.9",
          "at most 8" },
        { "a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b",
          "more than 16" },
    };
    struct arena *a = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char why[200] = "";
        struct dnsbl d;

        if (dnsbl_parse(a, str_of(bad[i].text), &d, why, sizeof(why)) != RC_INVALID)
            fail_msg("accepted: %s", bad[i].text);
        if (strstr(why, bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].text, why);
    }
    arena_free(&a);
}

static const unsigned char v4[4] = { 192, 0, 2, 7 };
static const unsigned char v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

static struct test_zone *zone(struct arena *a)
{
    struct test_zone *z = arena_alloc(a, sizeof(*z));

    z->arena = a;
    test_zone_address(z, "7.2.0.192.bad.example", "127.0.0.2");
    test_zone_address(z, "7.2.0.192.other.example", "127.0.0.10");
    test_zone_address(z, "7.2.0.192.error-code.example", "127.255.255.254");
    test_zone_address(z, "7.2.0.192.wide.example", "127.255.255.254");
    test_zone_address(z,
                      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
                      "bad.example",
                      "127.0.0.2");
    test_zone_address(z, "spam.test.names.example", "127.0.0.2");
    test_zone_address(z, "mx.spam.test.names.example", "127.0.0.2");
    test_zone_address(z, "7.2.0.192.good.example", "127.0.0.2");
    test_zone_add(z, S("7.2.0.192.down.example"), TEST_ZONE_TIMEOUT, S(""));
    return z;
}

static void together(void **state)
{
    static const struct {
        const char *lists;
        bool ipv6;
        const char *hello, *domain;
        int score;
        size_t count;
        const char *zone;
        bool failed;
    } cases[] = {
        { "bad.example", false, "", "", 1, 1, "bad.example", false },
        { "bad.example", true, "", "", 1, 1, "bad.example", false },
        { "bad.example look=ipv6", false, "", "", 0, 0, "", false },
        { "bad.example look=ipv4", true, "", "", 0, 0, "", false },
        { "none.example", false, "", "", 0, 0, "", false },
        { "none.example, bad.example score=3, other.example score=4", false, "", "", 7, 2,
          "bad.example", false },
        /* An answer that says "you ask too much" names nobody. */
        { "error-code.example", false, "", "", 0, 0, "", false },
        { "wide.example responses=127.0.0.0/8", false, "", "", 1, 1, "wide.example",
          false },
        { "other.example responses=127.0.0.2 score=9,"
          "other.example responses=127.0.0.8/29 score=3",
          false, "", "", 3, 1, "other.example", false },
        { "names.example look=ehlo", false, "mx.spam.test", "spam.test", 1, 1,
          "names.example", false },
        { "names.example look=ehlo", false, "mx.spam.test.", "", 1, 1, "names.example",
          false },
        { "names.example look=mailfrom", false, "mx.spam.test", "ham.test", 0, 0, "",
          false },
        { "names.example look=mailfrom+ehlo", false, "mx.spam.test", "spam.test", 1, 1,
          "names.example", false },
        { "names.example look=mailfrom+ehlo", false, "", "", 0, 0, "", false },
        { "good.example score=-5, bad.example", false, "", "", -4, 2, "bad.example",
          false },
        { "down.example, bad.example", false, "", "", 1, 1, "bad.example", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new();
        struct test_zone *z = zone(a);
        struct dnsbl_client c = { .ip = cases[i].ipv6 ? v6 : v4,
                                  .ip_bytes = cases[i].ipv6 ? 16 : 4,
                                  .hello = str_of(cases[i].hello),
                                  .domain = str_of(cases[i].domain) };
        struct dnsbl_outcome o;
        struct dns_table t;
        struct dnsbl d;
        char why[200];

        dns_table_init(&t, a);
        assert_int_equal(dnsbl_parse(a, str_of(cases[i].lists), &d, why, sizeof(why)),
                         RC_OK);
        o = dnsbl_check(a, &t, &d, &c);
        assert_int_equal(o.wait, t.count > 0);
        /* All at once. */
        test_zone_answer(z, &t);
        o = dnsbl_check(a, &t, &d, &c);
        assert_false(o.wait);
        if (o.score != cases[i].score || o.lists != cases[i].count ||
            o.failed != cases[i].failed || !str_eq(o.zone, str_of(cases[i].zone)))
            fail_msg("%s: %d of %zu, %.*s", cases[i].lists, o.score, o.lists,
                     STR_ARG(o.zone));
        arena_free(&a);
    }
}

static void who_has_no_address(void **state)
{
    struct arena *a = arena_new();
    struct dnsbl_client c = { .hello = S("mx.example") };
    struct dns_table t;
    struct dnsbl d;
    char why[200];

    (void)state;
    dns_table_init(&t, a);
    assert_int_equal(dnsbl_parse(a, S("bad.example"), &d, why, sizeof(why)), RC_OK);
    assert_false(dnsbl_check(a, &t, &d, &c).wait);
    assert_int_equal(t.count, 0);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(together),
        cmocka_unit_test(who_has_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
