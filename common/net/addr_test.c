/* addr_test.c - addresses, networks and limits. */
#include "net/addr.h"

#include "net/cidr.h"
#include "net/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct addr parse(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(text), &a), RC_OK);
    return a;
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "2001:DB8::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "", NULL },
        { "192.0.2", NULL },
        { "192.0.2.1:25", NULL },
        { "fe80::1%eth0", NULL },
        { "localhost", NULL },
        { "[]", NULL },
        { "0x7f.1", NULL },
    };
    char text[ADDR_TEXT_BYTES];
    struct addr a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum rc rc = addr_parse(str_of(rows[i].in), &a);

        assert_int_equal(rc, rows[i].out != NULL ? RC_OK : RC_INVALID);
        if (rc == RC_OK)
            assert_string_equal(addr_text(&a, text), rows[i].out);
    }
    assert_int_equal(addr_parse(S("1.2.3.4\0x"), &a), RC_INVALID);
}

static void test_text_with_a_port(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", 53 },
        { "192.0.2.1:5353", "192.0.2.1", 5353 },
        { "2001:db8::1", "2001:db8::1", 53 },
        { "[2001:db8::1]", "2001:db8::1", 53 },
        { "[2001:db8::1]:65535", "2001:db8::1", 65535 },
        { "", NULL, 0 },
        { ":53", NULL, 0 },
        { "192.0.2.1:", NULL, 0 },
        { "192.0.2.1:0", NULL, 0 },
        { "192.0.2.1:65536", NULL, 0 },
        { "[2001:db8::1]:x", NULL, 0 },
        { "ns.example:53", NULL, 0 },
    };
    char text[ADDR_TEXT_BYTES];
    struct addr a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum rc rc = addr_parse_port(str_of(rows[i].in), 53, &a);

        assert_int_equal(rc, rows[i].out != NULL ? RC_OK : RC_INVALID);
        if (rc == RC_OK) {
            assert_string_equal(addr_text(&a, text), rows[i].out);
            assert_int_equal(a.port, rows[i].port);
        }
    }
}

static void test_network_key(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true },
        { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "::ffff:192.0.2.1", "192.0.2.1", true },
        { "0.0.0.0", "::", false },
        { "192.0.2.1", "::c000:201", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parse(rows[i].a), b = parse(rows[i].b);

        assert_int_equal(addr_network_key(&a) == addr_network_key(&b), rows[i].same);
    }
}

/* What an interface of this machine is in is in `local`, a network of nobody's is not. */
static void test_cidr_local(void **state)
{
    struct addr loopback = parse("127.0.0.1"), elsewhere = parse("240.0.0.1");
    struct addr listed = parse("198.51.100.9");
    struct cidr_list *l;

    (void)state;
    assert_int_equal(cidr_list_new(S("198.51.100.0/24, local"), &l), RC_OK);
    assert_true(cidr_list_has(l, &loopback));
    assert_true(cidr_list_has(l, &listed));
    assert_false(cidr_list_has(l, &elsewhere));
    cidr_list_free(&l);
    assert_int_equal(cidr_list_new(S("localhost"), &l), RC_INVALID);
}

/* Runs in a child with a network of its own, whose only interface has this address. */
static int only_interface_is(const char *address, const char *in)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    struct ifreq request = { .ifr_name = "lo" };
    int fd;
    struct addr a = parse(in);
    struct cidr_list *l;
    bool has;
    /* A sanitizer's threads forbid a user namespace; root needs none. */
    int as_root = geteuid() == 0 ? 0 : CLONE_NEWUSER;

    if (unshare(as_root | CLONE_NEWNET) != 0)
        return 100;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    memcpy(&request.ifr_addr, &at, sizeof(at));
    if (ioctl(fd, SIOCSIFADDR, &request) != 0)
        return 101;
    inet_pton(AF_INET, "255.255.255.0", &at.sin_addr);
    memcpy(&request.ifr_netmask, &at, sizeof(at));
    if (ioctl(fd, SIOCSIFNETMASK, &request) != 0)
        return 102;
    request.ifr_flags = IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        return 103;
    close(fd);
    if (cidr_list_new(S("local"), &l) != RC_OK)
        return 104;
    has = cidr_list_has(l, &a);
    cidr_list_free(&l);
    return has;
}

/* The other customers of a data centre's network are no proxies of ours. */
static void test_cidr_local_is_private(void **state)
{
    static const struct {
        const char *own, *neighbour;
        bool in;
    } rows[] = {
        { "192.168.7.2", "192.168.7.9", true },  { "10.1.2.3", "10.1.2.4", true },
        { "172.31.0.2", "172.31.0.1", true },    { "100.64.9.1", "100.64.9.2", true },
        { "203.0.113.5", "203.0.113.6", false }, { "172.32.0.2", "172.32.0.1", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        pid_t child = fork();
        int status;

        if (child == 0)
            _exit(only_interface_is(rows[i].own, rows[i].neighbour));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), rows[i].in);
    }
}

static void test_cidr_private(void **state)
{
    static const struct {
        const char *addr;
        bool is_private;
    } rows[] = {
        { "127.0.0.1", true },   { "10.255.255.255", true }, { "172.16.0.1", true },
        { "172.32.0.1", false }, { "192.168.1.1", true },    { "169.254.1.1", true },
        { "100.64.0.1", true },  { "100.128.0.1", false },   { "192.0.2.1", false },
        { "::1", true },         { "fd00::1", true },        { "fe80::1", true },
        { "fec0::1", false },    { "2001:db8::1", false },   { "::ffff:10.0.0.1", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parse(rows[i].addr);

        assert_int_equal(cidr_is_private(&a), rows[i].is_private);
        assert_true(cidr_client_key(&a) ==
                    (rows[i].is_private ? 0 : addr_network_key(&a)));
    }
}

static void test_cidr(void **state)
{
    static const struct {
        const char *list, *addr;
        bool in;
    } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.0/8, fd00::/8", "fd12::1", true },
        { "172.16.0.0/12", "172.31.255.255", true },
        { "172.16.0.0/12", "172.32.0.0", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "192.0.2.1", false },
        { "0.0.0.0/0", "192.0.2.1", true },
        { "", "192.0.2.1", false },
        { " , ", "192.0.2.1", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
    };
    static const char *const bad[] = { "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/x", "a",
                                       "10.0.0.0/",  "10.0.0.0/-1", "::/129" };
    struct cidr_list *l;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = parse(rows[i].addr);

        assert_int_equal(cidr_list_new(str_of(rows[i].list), &l), RC_OK);
        assert_int_equal(cidr_list_has(l, &a), rows[i].in);
        cidr_list_free(&l);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(cidr_list_new(str_of(bad[i]), &l), RC_INVALID);
    assert_false(cidr_list_has(NULL, &(struct addr){ .family = 4 }));
}

static void test_limit(void **state)
{
    struct limit *l = limit_new(3, 2);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(limit_take_total(l), RC_OK);
    assert_int_equal(limit_take_total(l), RC_LIMIT);
    assert_int_equal(limit_take_key(l, 7), RC_OK);
    assert_int_equal(limit_take_key(l, 7), RC_OK);
    assert_int_equal(limit_take_key(l, 7), RC_LIMIT);
    assert_int_equal(limit_take_key(l, 8), RC_OK);
    limit_give_key(l, 7);
    assert_int_equal(limit_take_key(l, 7), RC_OK);
    limit_give_total(l);
    assert_int_equal(limit_take_total(l), RC_OK);
    assert_int_equal(limit_total(l), 3);
    limit_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),         cmocka_unit_test(test_text_with_a_port),
        cmocka_unit_test(test_network_key),  cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_cidr_local),   cmocka_unit_test(test_cidr_local_is_private),
        cmocka_unit_test(test_cidr_private), cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
