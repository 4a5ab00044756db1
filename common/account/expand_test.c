/* expand_test.c - who gets mail for a name in the end, against PostgreSQL. */
#include "account/expand.h"

#include "account/alias_book.h"
#include "account/route.h"
#include "base/buf.h"
#include "mail/domains.h"
#include "store/store_account.h"
#include "store/store_alias.h"
#include "store/store_test.h"

#include <stdio.h>

static const struct domains domains = DOMAINS_ONE("example.org");
static const struct route_rules route = { &domains, STR("+") };

static enum rc ask(struct alias_book *book, const char *address, struct expand *out)
{
    const struct expand_rules rules = { &route, book };
    str_t one = str_of(address);

    return expand_each(test_arena, test_db, &rules, &one, 1, out);
}

static void expect(struct alias_book *book, const char *address, const char *reached,
                   const char *lost)
{
    struct buf *got = arena_buf(test_arena, 4096), *gone = arena_buf(test_arena, 4096);
    struct expand x;

    assert_int_equal(ask(book, address, &x), RC_OK);
    for (size_t i = 0; i < x.count; i++)
        buf_printf(i < x.reached ? got : gone, "%.*s ", STR_ARG(x.targets[i]));
    if (!str_eq(str_trim(buf_str(got)), str_of(reached)) ||
        !str_eq(str_trim(buf_str(gone)), str_of(lost)) || x.loops)
        fail_msg("%s: %.*s; %.*s; loops %d", address, STR_ARG(buf_str(got)),
                 STR_ARG(buf_str(gone)), x.loops);
}

static struct alias_book *book_of(const char *option)
{
    struct alias_book *book;

    assert_int_equal(alias_book_new(&domains, str_of(option), "", &book), RC_OK);
    return book;
}

static void put(const char *key, const char *target, const char *other)
{
    str_t targets[] = { str_of(target), str_of(other) };
    struct store_alias a = { str_of(key), targets, other[0] != '\0' ? 2 : 1 };

    assert_int_equal(store_alias_set(test_db, &a), RC_OK);
}

static int setup(void **state)
{
    int failed = test_setup(state);

    test_sql("DELETE FROM alias");
    test_account(1, 1 << 20);
    test_account(2, 1 << 20);
    return failed;
}

static void what_is_no_alias_is_itself(void **state)
{
    (void)state;
    expect(NULL, "User1+x@Example.org", "User1+x@Example.org", "");
    expect(NULL, "nobody@example.org", "", "nobody@example.org");
    expect(NULL, "bob@far.example", "bob@far.example", "");
    expect(NULL, "\"a b\"@far.example", "", "\"a b\"@far.example");
    test_sql("UPDATE account SET state = 1 WHERE addr = 'user1@example.org'");
    expect(NULL, "user1@example.org", "", "user1@example.org");
}

static void a_name_of_the_book_stands_for_many(void **state)
{
    struct alias_book *book =
        book_of("team: user1, user2, user1, bob@far.example, gone;"
                "user2: user2, copy@far.example; chain: team; /x(\\d)@.*/: user$1");

    (void)state;
    expect(book, "Team+tag@example.org",
           "bob@far.example copy@far.example user1@example.org user2@example.org",
           "gone@example.org");
    expect(book, "chain@example.org",
           "bob@far.example copy@far.example user1@example.org user2@example.org",
           "gone@example.org");
    expect(book, "user2@example.org", "copy@far.example user2@example.org", "");
    expect(book, "x1@example.org", "user1@example.org", "");
    expect(book, "x9@example.org", "", "user9@example.org");
    expect(book, "user1@example.org", "user1@example.org", "");
    alias_book_free(&book);
}

static void the_table_is_looked_at_after_the_book(void **state)
{
    struct alias_book *book = book_of("first: user1");

    (void)state;
    put("first@example.org", "user2", "");
    put("info@example.org", "user1@example.org", "bob@far.example");
    put("any", "user2", "");
    put("mixed", "first", "info@example.org");
    expect(book, "first@example.org", "user1@example.org", "");
    expect(NULL, "first@example.org", "user2@example.org", "");
    expect(book, "Info@example.org", "bob@far.example user1@example.org", "");
    expect(book, "any@example.org", "user2@example.org", "");
    expect(book, "mixed@example.org", "bob@far.example user1@example.org", "");
    put("info@example.org", "user2", "");
    expect(book, "info@example.org", "user2@example.org", "");
    assert_int_equal(store_alias_remove(test_db, S("info@example.org")), RC_OK);
    assert_int_equal(store_alias_remove(test_db, S("info@example.org")), RC_NOT_FOUND);
    expect(book, "info@example.org", "", "info@example.org");
    alias_book_free(&book);
}

static void a_file_that_is_to_come_may_know_more(void **state)
{
    const char *const names[] = { "fixed@example.org", "user1@example.org",
                                  "a@far.example", "gone@example.org" };
    struct alias_book *book;
    struct expand x;

    (void)state;
    assert_int_equal(
        alias_book_new(&domains, S("fixed: user1"), "/nonexistent/aliases", &book),
        RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(ask(book, names[i], &x), RC_OK);
        assert_int_equal(x.is_unsure, i == 3);
    }
    alias_book_free(&book);
    book = book_of("fixed: user1");
    assert_int_equal(ask(book, "gone@example.org", &x), RC_OK);
    assert_false(x.is_unsure);
    alias_book_free(&book);
}

static void the_rest_is_for_names_that_nobody_has(void **state)
{
    struct alias_book *book = book_of("@example.org: user1");

    (void)state;
    expect(book, "nobody@example.org", "user1@example.org", "");
    expect(book, "user2@example.org", "user2@example.org", "");
    test_sql("UPDATE account SET state = 1 WHERE addr = 'user2@example.org'");
    expect(book, "user2@example.org", "", "user2@example.org");
    put("@example.org", "bob@far.example", "");
    expect(book, "nobody@example.org", "user1@example.org", "");
    expect(NULL, "nobody@example.org", "bob@far.example", "");
    alias_book_free(&book);
}

static void loops_end(void **state)
{
    static const char *const names[] = { "a", "b", "l1", "in", "@example.org is lost" };
    struct alias_book *book =
        book_of("a: b; b: a; in: user1, a; l1: l2, user1; l2: l3; l3: l2;"
                "@example.org: nobody-there");
    struct expand x;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names) - 1; i++) {
        char address[100];

        snprintf(address, sizeof(address), "%s@example.org", names[i]);
        assert_int_equal(ask(book, address, &x), RC_OK);
        if (!x.loops)
            fail_msg("%s", address);
    }
    /* Nobody's rest is nobody's. */
    assert_int_equal(ask(book, "whoever@example.org", &x), RC_OK);
    assert_int_equal(x.reached, 0);
    put("t1", "t2", "");
    put("t2", "t1", "user1");
    assert_int_equal(ask(NULL, "t1@example.org", &x), RC_OK);
    assert_true(x.loops);
    alias_book_free(&book);
}

static void depth_and_number_are_bounded(void **state)
{
    struct buf *deep = arena_buf(test_arena, 10000),
               *wide = arena_buf(test_arena, 100000);
    struct alias_book *book;
    struct expand x;

    (void)state;
    for (int i = 0; i <= EXPAND_DEPTH_MAX; i++)
        buf_printf(deep, "d%d: d%d;", i, i + 1);
    buf_printf(deep, "d%d: user1", EXPAND_DEPTH_MAX + 1);
    buf_putc(deep, '\0');
    book = book_of(deep->p);
    assert_int_equal(ask(book, "d0@example.org", &x), RC_OK);
    assert_true(x.loops);
    expect(book, "d3@example.org", "user1@example.org", "");
    alias_book_free(&book);
    /* Each name stands for two that stand for the same two: two to the tenth. */
    for (int i = 0; i < 9; i++)
        buf_printf(wide, "w%d: w%d, v%d; v%d: w%d, v%d;", i, i + 1, i + 1, i, i + 1,
                   i + 1);
    buf_puts(wide, "w9: user1; v9: user2; many: w0, w0+1, w0+2, w0+3, w0+4");
    buf_putc(wide, '\0');
    book = book_of(wide->p);
    expect(book, "w0@example.org", "user1@example.org user2@example.org", "");
    assert_int_equal(ask(book, "many@example.org", &x), RC_OK);
    assert_true(x.loops);
    alias_book_free(&book);
}

static void clear_text_needs_the_consent_of_all(void **state)
{
    struct alias_book *book = book_of("both: user1, user2; far: user1, bob@far.example");
    struct expand x;

    (void)state;
    test_sql("UPDATE account SET flags = 1 WHERE addr = 'user1@example.org'");
    assert_int_equal(ask(book, "user1@example.org", &x), RC_OK);
    assert_true(x.takes_clear_text);
    assert_int_equal(ask(book, "both@example.org", &x), RC_OK);
    assert_false(x.takes_clear_text);
    assert_int_equal(ask(book, "far@example.org", &x), RC_OK);
    assert_false(x.takes_clear_text);
    test_sql("UPDATE account SET flags = 1");
    assert_int_equal(ask(book, "both@example.org", &x), RC_OK);
    assert_true(x.takes_clear_text);
    alias_book_free(&book);
}

static void many_addresses_are_one_statement(void **state)
{
    const struct expand_rules rules = { &route, NULL };
    str_t addresses[500];
    struct expand x[500];
    size_t reached = 0;

    (void)state;
    put("group", "user1", "user2");
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        addresses[i] = i % 2 == 0 ? S("user1@example.org") : S("group@example.org");
    assert_int_equal(
        expand_each(test_arena, test_db, &rules, addresses, ARRAY_LEN(addresses), x),
        RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        reached += x[i].reached;
    assert_int_equal(reached, 250 + 500);
}

static void a_list_has_all_that_its_aliases_stand_for(void **state)
{
    struct alias_book *book = book_of("team: user1, gone; a: b; b: a");
    const struct expand_rules rules = { &route, book };
    static const str_t in[] = { STR("bob@far.example"), STR("team@example.org"),
                                STR("a@example.org"), STR("nobody@example.org") };
    static const char *const want[] = { "bob@far.example", "user1@example.org",
                                        "gone@example.org", "a@example.org",
                                        "nobody@example.org" };
    struct expand x[ARRAY_LEN(in)];
    str_t *list;
    size_t n;

    (void)state;
    assert_int_equal(
        expand_list(test_arena, test_db, &rules, in, ARRAY_LEN(in), x, &list, &n), RC_OK);
    assert_int_equal(n, ARRAY_LEN(want));
    for (size_t i = 0; i < n; i++)
        assert_true(str_eq(list[i], str_of(want[i])));
    assert_true(x[1].is_alias && !x[2].is_alias && !x[3].is_alias);
    assert_int_equal(expand_list(test_arena, test_db, &rules, in, 1, x, &list, &n),
                     RC_NOT_FOUND);
    alias_book_free(&book);
}

static void a_list_is_in_order(void **state)
{
    struct store_alias *list;
    size_t n;

    (void)state;
    put("b", "user1", "");
    put("a@example.org", "user1", "user2");
    assert_int_equal(store_alias_list(test_arena, test_db, &list, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_true(str_eq(list[0].key, S("a@example.org")) && list[0].target_count == 2);
    assert_true(str_eq(list[1].targets[0], S("user1")));
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_alias_is_itself),
        TEST(a_name_of_the_book_stands_for_many),
        TEST(the_table_is_looked_at_after_the_book),
        TEST(a_file_that_is_to_come_may_know_more),
        TEST(the_rest_is_for_names_that_nobody_has),
        TEST(loops_end),
        TEST(depth_and_number_are_bounded),
        TEST(clear_text_needs_the_consent_of_all),
        TEST(many_addresses_are_one_statement),
        TEST(a_list_has_all_that_its_aliases_stand_for),
        TEST(a_list_is_in_order),
    };

    return cmocka_run_group_tests(tests, test_group_setup, test_group_teardown);
}
