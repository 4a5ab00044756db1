/* The table, the three sources of a value, and what an operator is told. */
#include "svc/options.h"

#include "base/buf.h"
#include "base/log.h"
#include "svc/options_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef"

extern char **environ;

static char path[] = "/tmp/postbus-options-XXXXXX";
static char secret_path[] = "/tmp/postbus-secret-XXXXXX";
static char error[OPTIONS_ERROR_BYTES];

static void write_text(const char *to, const char *text)
{
    FILE *f = fopen(to, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
}

static const struct options *load_as(enum options_user user, const char *text)
{
    const struct options *o = NULL;

    error[0] = '\0';
    if (text != NULL)
        write_text(path, text);
    if (options_load(text == NULL ? NULL : path, user, &o, error) != RC_OK) {
        assert_true(error[0] != '\0');
        assert_null(o);
    }
    return o;
}

static const struct options *load(const char *text)
{
    return load_as(OPTIONS_IMAP_GATEWAY, text);
}

static int set_up(void **state)
{
    (void)state;
    for (char **e = environ; *e != NULL;) {
        char name[256];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
        if (strncmp(name, "POSTBUS_", 8) == 0)
            unsetenv(name);
        else
            e++;
    }
    write_text(secret_path, SECRET "\n");
    setenv("POSTBUS_CLUSTER_SECRET_FILE", secret_path, 1);
    setenv("POSTBUS_MAIL_DOMAIN", "chat.example", 1);
    return 0;
}

static int make_files(void **state)
{
    (void)state;
    log_init("options_test", LOG_LEVEL_ERROR, false);
    close(mkstemp(path));
    close(mkstemp(secret_path));
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(secret_path);
    return 0;
}

/* Each default is one that its own kind and range admit, and each name is one word. */
static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < OPTIONS_USERS; i++)
        assert_non_null(load_as(1 << i, NULL));
    for (size_t i = 0; i < options_row_count; i++) {
        const struct options_row *row = &options_row_all[i];

        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                         strlen(row->name));
        assert_ptr_equal(options_row_find(str_of(row->name)), row); /* no doubles */
        assert_true(row->users != 0);
        assert_int_equal(row->sentence[strlen(row->sentence) - 1], '.');
    }
}

static void test_defaults_of_the_relay(void **state)
{
    const struct options *o = load(NULL);

    (void)state;
    assert_string_equal(o->mail_domain, "chat.example");
    assert_int_equal(o->max_user_send_per_minute, 60);
    assert_int_equal(o->max_user_send_burst_size, 10);
    assert_int_equal(o->max_mailbox_size, 500 << 20);
    assert_int_equal(o->max_message_size, 31457280);
    assert_int_equal(o->delete_mails_after, 20);
    assert_int_equal(o->delete_large_after, 7);
    assert_int_equal(o->delete_inactive_users_after, 90);
    assert_int_equal(o->username_min_length, 9);
    assert_int_equal(o->username_max_length, 9);
    assert_int_equal(o->password_min_length, 9);
    assert_true(o->max_load_1m > 4.99 && o->max_load_1m < 5.01);
    assert_int_equal(o->min_available_memory, 200 << 20);
    assert_int_equal(o->min_free_disk_space, 1 << 30);
    assert_int_equal(o->max_imap_connections, 10000);
    assert_int_equal(o->max_smtp_connections, 10000);
    assert_false(o->disable_ipv6);
    assert_string_equal(o->database_user, "postbus_imap_gateway");
    assert_string_equal(load_as(OPTIONS_POSTBUSCTL, NULL)->database_user, "postbus");
    assert_string_equal(o->queue_worker_event_peers, "dns:queue-worker:5552");
}

/* The relay's own file, as its generator writes it. */
static void test_file_of_the_relay(void **state)
{
    const struct options *o;

    (void)state;
    unsetenv("POSTBUS_MAIL_DOMAIN");
    o = load("[params]\n"
             "\n"
             "# mail domain (MUST be set to fully qualified chat mail domain)\n"
             "mail_domain = Nine.Example.org\n"
             "max_user_send_per_minute = 30\n"
             "max_mailbox_size = 100M\n"
             "min_available_memory = 250\n"
             "min_free_disk_space = 2GB\n"
             "max_message_size = 31457280\n"
             "max_load_1m = 2.5\n"
             "delete_mails_after = 30\n"
             "acme_email =\n"
             "disable_ipv6 = False\n"
             "imap_rawlog = false\n"
             "imap_compress = false\n"
             "filtermail_smtp_port = 10080\n"
             "postfix_reinject_port_incoming = 10026\n"
             "mtail_address = 127.0.0.1\n"
             "tls_external_cert_and_key = /etc/a.crt /etc/b.key\n"
             "; another comment\n"
             "privacy_postal =\n"
             "  Example Ltd,\n"
             "  # inside\n"
             "  1 Long Road = 2\n"
             "privacy_mail = privacy@nine.example.org\r\n"
             "privacy_pdo: colon also works\n"
             "privacy_supervisor =\n");
    if (o == NULL)
        fail_msg("%s", error);
    assert_string_equal(o->mail_domain, "nine.example.org");
    assert_int_equal(o->max_user_send_per_minute, 30);
    assert_int_equal(o->max_mailbox_size, 100 << 20);
    assert_int_equal(o->min_available_memory, 250 << 20);
    assert_true(o->min_free_disk_space == INT64_C(2) << 30);
    assert_true(o->max_load_1m > 2.4 && o->max_load_1m < 2.6);
    assert_string_equal(o->privacy_postal, "Example Ltd,\n1 Long Road = 2");
    assert_string_equal(o->privacy_mail, "privacy@nine.example.org");
    assert_string_equal(o->privacy_pdo, "colon also works");
    assert_string_equal(o->tls_certificate_file, "/etc/a.crt");
    assert_string_equal(o->tls_key_file, "/etc/b.key");
}

static void test_domains(void **state)
{
    static const struct {
        const char *text, *value; /* NULL: refused */
        const char *host;
        bool self_signed;
    } cases[] = {
        { "chat.example", "chat.example", "chat.example", false },
        { "_chat.Example", "_chat.example", "_chat.example", true },
        { "1.2.3.4", "[1.2.3.4]", "1.2.3.4", true },
        { "[1.2.3.4]", "[1.2.3.4]", "1.2.3.4", true },
        { "localhost", "localhost", "localhost", false },
        { "_chat.localhost", "_chat.localhost", "127.0.0.1", true },
        { "", NULL, NULL, false },
        { "chat..example", NULL, NULL, false },
        { "chat.example.", NULL, NULL, false },
        { "chat example", NULL, NULL, false },
        { "-a.example", NULL, NULL, false },
        { "a@b", NULL, NULL, false },
        { "m\xc3\xbcll.example", NULL, NULL, false },
        { "[1.2.3]", NULL, NULL, false },
        { "[::1]", NULL, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct options *o;

        setenv("POSTBUS_MAIL_DOMAIN", cases[i].text, 1);
        o = load(NULL);
        if ((o == NULL) != (cases[i].value == NULL))
            fail_msg("%s: %s", cases[i].text, error);
        if (o == NULL)
            continue;
        assert_string_equal(o->mail_domain, cases[i].value);
        assert_string_equal(options_public_host(o), cases[i].host);
        assert_int_equal(options_is_uncertified(o), cases[i].self_signed);
    }
    unsetenv("POSTBUS_MAIL_DOMAIN");
    assert_null(load(NULL));
    assert_non_null(strstr(error, "mail_domain is missing"));
}

static void test_smtp_name(void **state)
{
    static const struct {
        const char *domain, *host, *want;
    } cases[] = {
        { "chat.example", "", "chat.example" },
        { "chat.example", "mx.chat.example", "mx.chat.example" },
        { "1.2.3.4", "", "[1.2.3.4]" },
        { "chat.example", "127.0.0.1", "[127.0.0.1]" },
        { "chat.example", "2001:db8::1", "[IPv6:2001:db8::1]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char name[OPTIONS_NAME_BYTES];

        setenv("POSTBUS_MAIL_DOMAIN", cases[i].domain, 1);
        setenv("POSTBUS_PUBLIC_HOST", cases[i].host, 1);
        options_smtp_name(load(NULL), name);
        assert_string_equal(name, cases[i].want);
    }
    unsetenv("POSTBUS_PUBLIC_HOST");
    unsetenv("POSTBUS_MAIL_DOMAIN");
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text;
        const char *line, *says;
    } cases[] = {
        { "[params]\nmax_user_send_per_minute = many\n", ":2:", "not a whole number" },
        { "\n\nmax_user_send_per_minute = 0\n", ":3:", "1 to 1000000" },
        { "delete_mails_after = 31\n", ":1:", "1 to 30" },
        { "delete_mails_after =\n", ":1:", "not a whole number" },
        { "delete_mails_after = -1\n", ":1:", "not a whole number" },
        { "max_mailbox_size = 5X\n", ":1:", "not a size" },
        { "max_mailbox_size = 9999999999999G\n", ":1:", "out of range" },
        { "max_message_size = 64M\n", ":1:", "must be 64k to 60M" },
        { "disable_ipv6 = yes\n", ":1:", "neither true nor false" },
        { "max_load_1m = 1e9\n", ":1:", "not a number" },
        { "max_load_1m = 1.2.3\n", ":1:", "not a number" },
        { "log_level = loud\n", ":1:", "error warn info debug" },
        { "trusted_proxies = 10.0.0.1/33\n", ":1:", "not a list of networks" },
        { "queue_worker_event_peers = queue-worker\n",
          ":1:", "neither dns: nor static:" },
        { "routes = example.org\n", ":1:", "example.org: not domain=smtp://host:port" },
        { "routes = a=b:25 c=d:0\n", ":1:", "c=d:0: it has no port from 1 to 65535" },
        { "[params]\nmax_user_send_per_minut = 60\n", ":2:", "no such option" },
        { "smtp_port = 25\nsmtp_port = 26\n", ":2:", "before" },
        { "[params]\n[other]\n", ":2:", "the only section" },
        { "what is this\n", ":1:", "key = value" },
        { "  indented = 1\n", ":1:", "without a key" },
        { "mail_domain = x\ncluster_secret = short\n", ":2:", "32 to 1024" },
        { "database_host =\n", ":1:", "must not be empty" },
        { "database_host = db.example:5432\n", ":1:", "folder: db.example:5432" },
        { "database_host = db.example,,/run/pg\n", ":1:", "neither a host name" },
        { "database_host = a,b,c,d,e,f,g,h,i\n", ":1:", "more than 8 hosts" },
        { "max_mailbox_size = 1k\n", ":1:", "must be 1M to 1024T" },
        { "listen_address = localhost\n", ":1:", "not an IP address" },
        { "listen_address = *\n", ":1:", "not an IP address" },
        { "admin_address = 127.0.0.1:9090\n", ":1:", "not an IP address" },
        { "bus_address = eth0\n", ":1:", "not an IP address" },
        { "public_host = https://mail.example\n", ":1:", "neither a host name nor" },
        { "public_host = mail.example:8443\n", ":1:", "no port behind" },
        { "dkim_selector = a.b\n", ":1:", "not a label" },
        { "dkim_selector =\n", ":1:", "not a label" },
        { "dkim_selector = a2345678901234567890123456789012345678901\n",
          ":1:", "must be 1 to 40" },
        { "dkim_algorithm = rsa1024\n", ":1:", "rsa2048 rsa4096 ed25519 both" },
        { "dns_resolver = ns.example\n", ":1:", "neither root nor a list" },
        { "dns_resolver = 192.0.2.1 192.0.2.2\n", ":1:", "neither root nor a list" },
        { "postmaster_account = jo\n", ":1:", "not a mail address" },
        { "privacy_mail = Jo <jo@chat.example>\n", ":1:", "not a mail address" },
        { "iroh_relay = relay.example\n", ":1:", "not a URL such as" },
        { "iroh_relay = https://relay.example/a b\n", ":1:", "not a URL: blanks" },
        { "iroh_relay = https:///x\n", ":1:", "not a URL such as" },
        { "imap_port = 2993\n", "", "imap_port and imaps_port are both 2993" },
        { "admin_port = 2143\n", "", "imap_port and admin_port are both 2143" },
        { "bus_event_port = 9090\nbus_address = 0.0.0.0\n", "",
          "bus_event_port and admin_port are both 9090" },
        { "database_key_file = /x\n", "", "only one is set" },
        { "database_sslmode = verify-full\n", "", "needs database_ca_file" },
        { "username_min_length = 10\n", "", "above username_max_length" },
        { "tls_key_file = /x\n", "", "only one is set" },
        { "tls_external_cert_and_key = /x\n", "", "two paths" },
        { "proxy_protocol = true\n", "", "needs trusted_proxies" },
    };

    (void)state;
    unsetenv("POSTBUS_CLUSTER_SECRET_FILE");
    assert_null(load(NULL));
    assert_non_null(strstr(error, "cluster_secret_file is missing"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char where[100];

        set_up(NULL);
        if (strstr(cases[i].text, "cluster_secret") != NULL)
            unsetenv("POSTBUS_CLUSTER_SECRET_FILE");
        if (load(cases[i].text) != NULL)
            fail_msg("accepted: %s", cases[i].text);
        snprintf(where, sizeof(where), "%s%s", path, cases[i].line);
        if (strstr(error, cases[i].says) == NULL ||
            (cases[i].line[0] != '\0' && strstr(error, where) == NULL))
            fail_msg("%s: %s", cases[i].text, error);
    }
}

/* What an image brings along: its operator's file and environment stand above it. */
static void test_defaults_of_a_deployment(void **state)
{
    const struct options *o;

    (void)state;
    unsetenv("POSTBUS_MAIL_DOMAIN");
    unsetenv("POSTBUS_CLUSTER_SECRET_FILE");
    setenv("POSTBUS_DEFAULT_MAIL_DOMAIN", "image.example", 1);
    setenv("POSTBUS_DEFAULT_CLUSTER_SECRET_FILE", secret_path, 1);
    setenv("POSTBUS_DEFAULT_IMAP_PORT", "1", 1);
    setenv("POSTBUS_DEFAULT_IMAPS_PORT", "2", 1);
    setenv("POSTBUS_DEFAULT_ADMIN_ADDRESS", "", 1);
    setenv("POSTBUS_IMAPS_PORT", "3", 1);
    o = load("imap_port = 4\n");
    if (o == NULL)
        fail_msg("%s", error);
    assert_string_equal(o->mail_domain, "image.example");
    assert_string_equal(o->cluster_secret, SECRET);
    assert_string_equal(o->admin_address, "");
    assert_int_equal(o->imap_port, 4);
    assert_int_equal(o->imaps_port, 3);
    o = load("mail_domain = chat.example\n");
    assert_non_null(o);
    assert_string_equal(o->mail_domain, "chat.example");
    assert_int_equal(o->imap_port, 1);
    assert_null(load("cluster_secret_file = /nowhere\n"));
    setenv("POSTBUS_DEFAULT_IMAP_PORT", "x", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "environment: imap_port"));
    set_up(NULL);
    setenv("POSTBUS_DEFAULT_IMPA_PORT", "1", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "POSTBUS_DEFAULT_IMPA_PORT"));
    set_up(NULL);
    setenv("POSTBUS_DEFAULT_DATABASE_PASSWORD", "secret", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "leaks"));
    set_up(NULL);
}

/* What looks like one of those is none. */
static void test_values_that_are_good(void **state)
{
    static const char *const cases[] = {
        "listen_address = 192.0.2.1\n",
        "listen_address = ::1\n",
        "listen_address =\n",
        "bus_address = *\n",
        "public_host = mail.example\n",
        "public_host = 192.0.2.1\n",
        "public_host = 2001:db8::1\n",
        "public_host = _x.localhost\n",
        "database_host = /run/postgresql\n",
        "database_host = a.example, 192.0.2.1,2001:db8::1,/run/postgresql\n",
        "dns_resolver = root\n",
        "dns_resolver = 192.0.2.1, [2001:db8::1]:5353\n",
        "iroh_relay = https://relay.example:8443/path?x=%20\n",
        "privacy_mail = jo@elsewhere.example\n",
        "smtp_port = 0\nsubmission_port = 0\n",
        "imap_port = 9090\nlisten_address = 192.0.2.1\n", /* admin: 127.0.0.1 */
        "imap_port = 2525\n",                             /* smtp_port is another's */
        "postmaster_account = jo@elsewhere.example\n",    /* it is not the gateway's */
        "database_sslmode = verify-ca\ndatabase_ca_file = /x\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (load(cases[i]) == NULL)
            fail_msg("%s: %s", cases[i], error);
    }
    assert_non_null(
        load_as(OPTIONS_SMTP_INGRESS, "postmaster_account = jo@Chat.example\n"));
    assert_null(
        load_as(OPTIONS_SMTP_INGRESS, "postmaster_account = jo@a.chat.example\n"));
    assert_non_null(strstr(error, "postmaster_account is not an account of mail_domain"));
}

/* Who only wants to know whether the configuration is good is told what a start would
 * wait for. */
static void test_files_are_looked_for(void **state)
{
    static const struct {
        const char *text, *says; /* NULL: all is there */
    } cases[] = {
        { "", NULL },
        { "tls_certificate_file = /nonexistent/c\ntls_key_file = /etc/passwd\n",
          "tls_certificate_file: cannot read /nonexistent/c: No such file" },
        { "tls_certificate_file = /etc/passwd\ntls_key_file = /nonexistent/k\n",
          "tls_key_file: cannot read /nonexistent/k: No such file" },
        { "disk_path = /nonexistent\n", "disk_path: cannot read /nonexistent: No such" },
        { "disk_path = /etc/passwd\n", "/etc/passwd: it is not a folder" },
        { "www_folder = /nonexistent\n", NULL }, /* the registrar's */
        { "tls_certificate_file = /etc/passwd\ntls_key_file = /etc/passwd\n", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct options *o = load(cases[i].text);
        enum rc rc;

        assert_non_null(o);
        error[0] = '\0';
        rc = options_look(o, OPTIONS_IMAP_GATEWAY, error);
        assert_int_equal(rc, cases[i].says == NULL ? RC_OK : RC_INVALID);
        if (cases[i].says != NULL && strstr(error, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, error);
    }
    assert_int_equal(options_look(load_as(OPTIONS_REGISTRAR, "www_folder = disabled\n"),
                                  OPTIONS_REGISTRAR, error),
                     RC_OK);
    assert_int_equal(options_look(load_as(OPTIONS_REGISTRAR, "www_folder = /none\n"),
                                  OPTIONS_REGISTRAR, error),
                     RC_INVALID);
    assert_non_null(strstr(error, "www_folder: cannot read /none: No such file"));
}

static void test_environment_comes_first(void **state)
{
    const struct options *o;

    (void)state;
    setenv("POSTBUS_SMTP_PORT", "2626", 1);
    setenv("POSTBUS_JANITOR_EVENT_PEERS", "", 1);
    o = load("smtp_port = 2727\nimap_port = 2828\njanitor_event_peers = dns:x:1\n");
    assert_int_equal(o->smtp_port, 2626);
    assert_int_equal(o->imap_port, 2828);
    assert_string_equal(o->janitor_event_peers, "");
    setenv("POSTBUS_SMTP_PORT", "x", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "environment: smtp_port"));
    set_up(NULL);
    setenv("POSTBUS_SMPT_PORT", "25", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "POSTBUS_SMPT_PORT"));
    set_up(NULL);
    /* What Kubernetes sets for services named postbus-smtp and postbus-registrar. */
    setenv("POSTBUS_SMTP_PORT", "tcp://10.0.0.1:25", 1);
    setenv("POSTBUS_REGISTRAR_SERVICE_HOST", "10.0.0.2", 1);
    setenv("POSTBUS_REGISTRAR_SERVICE_PORT_HTTP", "80", 1);
    setenv("POSTBUS_REGISTRAR_PORT_80_TCP_ADDR", "10.0.0.2", 1);
    o = load(NULL);
    if (o == NULL)
        fail_msg("%s", error);
    assert_int_equal(o->smtp_port, 2525);
}

static void test_secrets(void **state)
{
    char text[300];
    struct buf b;

    (void)state;
    assert_string_equal(load(NULL)->cluster_secret, SECRET);
    unsetenv("POSTBUS_CLUSTER_SECRET_FILE");
    snprintf(text, sizeof(text), "cluster_secret_file = %s\n", secret_path);
    assert_string_equal(load(text)->cluster_secret, SECRET);
    assert_string_equal(load("cluster_secret = " SECRET "\n")->cluster_secret, SECRET);
    setenv("POSTBUS_CLUSTER_SECRET", SECRET, 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "_FILE"));
    assert_null(strstr(error, SECRET));
    set_up(NULL);
    setenv("POSTBUS_DATABASE_PASSWORD_FILE", "/nonexistent", 1);
    assert_null(load(NULL));
    assert_non_null(strstr(error, "/nonexistent: No such file"));
    set_up(NULL);
    /* postbusctl has no use for it and may not be allowed to read it. */
    setenv("POSTBUS_CLUSTER_SECRET_FILE", "/nonexistent", 1);
    assert_non_null(load_as(OPTIONS_POSTBUSCTL, NULL));
    set_up(NULL);
    buf_init(&b, 1 << 20);
    options_print_effective(&b, load(NULL), OPTIONS_IMAP_GATEWAY, OPTIONS_IMAP_GATEWAY);
    assert_true(str_find(buf_str(&b), S("# cluster_secret is set\n")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), S(SECRET)) == SIZE_MAX);
    buf_fini(&b);
}

/* What is printed as in effect is a file that gives the same again. */
static void test_effective_is_a_file(void **state)
{
    struct buf first, second;

    (void)state;
    setenv("POSTBUS_PRIVACY_POSTAL", "one\ntwo", 1);
    setenv("POSTBUS_MIN_AVAILABLE_MEMORY", "100k", 1);
    setenv("POSTBUS_MAX_MESSAGE_SIZE", "65537", 1);
    setenv("POSTBUS_MAX_LOAD_1M", "0.5", 1);
    buf_init(&first, 1 << 20);
    options_print_effective(&first, load(NULL), ~0u, OPTIONS_IMAP_GATEWAY);
    buf_putc(&first, '\0');
    set_up(NULL);
    unsetenv("POSTBUS_MAIL_DOMAIN");
    buf_init(&second, 1 << 20);
    if (load(first.p) == NULL)
        fail_msg("%s", error);
    options_print_effective(&second, load(first.p), ~0u, OPTIONS_IMAP_GATEWAY);
    buf_putc(&second, '\0');
    assert_string_equal(first.p, second.p);
    assert_non_null(strstr(first.p, "max_message_size = 65537\n"));
    assert_non_null(strstr(first.p, "min_available_memory = 100k\n"));
    buf_fini(&first);
    buf_fini(&second);
}

static void test_help_shows_what_is_used(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    options_print_help(&b, OPTIONS_JANITOR);
    assert_true(str_find(buf_str(&b), S("expiry_interval_seconds = 3600")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), S("imaps_port")) == SIZE_MAX);
    buf_clear(&b);
    options_print_reference(&b);
    assert_true(str_find(buf_str(&b), S("| size 64k to 60M |")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), S("| size 0 to 1024T |")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), S("| folder or disabled |")) != SIZE_MAX);
    assert_true(str_find(buf_str(&b), S("| address or * |")) != SIZE_MAX);
    for (size_t i = 0; i < options_row_count; i++)
        assert_true(str_find(buf_str(&b), str_of(options_row_all[i].name)) != SIZE_MAX);
    assert_false(b.full);
    buf_fini(&b);
}

static void test_peers(void **state)
{
    const struct options *o;
    struct options_peers peers[8];

    (void)state;
    setenv("POSTBUS_JANITOR_EVENT_PEERS", "", 1);
    o = load(NULL);
    if (o == NULL)
        fail_msg("%s", error);
    assert_int_equal(options_peers(o, OPTIONS_IMAP_GATEWAY, peers, 8), 3);
    assert_string_equal(peers[0].name, "queue_worker_event_peers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_table, set_up),
        cmocka_unit_test_setup(test_defaults_of_the_relay, set_up),
        cmocka_unit_test_setup(test_file_of_the_relay, set_up),
        cmocka_unit_test_setup(test_domains, set_up),
        cmocka_unit_test_setup(test_smtp_name, set_up),
        cmocka_unit_test_setup(test_bad_files, set_up),
        cmocka_unit_test_setup(test_values_that_are_good, set_up),
        cmocka_unit_test_setup(test_files_are_looked_for, set_up),
        cmocka_unit_test_setup(test_environment_comes_first, set_up),
        cmocka_unit_test_setup(test_defaults_of_a_deployment, set_up),
        cmocka_unit_test_setup(test_secrets, set_up),
        cmocka_unit_test_setup(test_effective_is_a_file, set_up),
        cmocka_unit_test_setup(test_help_shows_what_is_used, set_up),
        cmocka_unit_test_setup(test_peers, set_up),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
