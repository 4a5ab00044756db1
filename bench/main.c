/* main.c - the load generator: Delta Chat's command sequence at a given rate.
 *
 * Modes (first argument):
 *   rate    open loop: messages become due at --rate per second, whatever the server does
 *   window  closed loop: --window messages under way at any time
 *   logins  --accounts logins, --concurrency at a time
 *   idle    --accounts connections in IDLE until a line comes on standard input
 *   door    --accounts slow connections to --smtp-port, which speaks --door, and visitors
 *           at --rate who are measured
 *   walk    no server: how fast a large message is told to be encrypted
 *   sink    a server that does nothing, to see what the generator itself can do
 *
 * One line of key=value is printed at the end.  Exit 1: the server refused something.
 */
#include "load.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SETUP_IN_FLIGHT = 32, SETTLE_S = 60 };

static void name_client(struct load_client *c, unsigned index)
{
    c->index = index;
    snprintf(c->user, sizeof(c->user), "%s%06x@%s", load_state.o.prefix, index,
             load_state.o.domain);
}

static void make_clients(void)
{
    load_state.clients = mem_alloc(load_state.o.accounts * sizeof(*load_state.clients));
    for (unsigned i = 0; i < load_state.o.accounts; i++)
        name_client(&load_state.clients[i], i);
}

/* Log all accounts in, a few at a time, so that setting up measures nothing. */
static void set_up(bool with_smtp)
{
    struct load_state *s = &load_state;
    unsigned started = 0;

    while (s->idle_clients < s->o.accounts) {
        if (started < s->o.accounts && started - s->idle_clients < SETUP_IN_FLIGHT) {
            struct load_client *c = &s->clients[started++];

            CHECK(peer_connect(&c->imap, &s->o.imap, &load_imap_handler, c));
            continue;
        }
        peer_poll(clock_monotonic_us() + 100000);
    }
    for (started = 0; with_smtp && s->smtp_clients < s->o.accounts;) {
        if (started < s->o.accounts && started - s->smtp_clients < SETUP_IN_FLIGHT) {
            struct load_client *c = &s->clients[started++];

            CHECK(peer_connect(&c->smtp, &s->o.smtp, &load_smtp_handler, c));
            continue;
        }
        peer_poll(clock_monotonic_us() + 100000);
    }
    fprintf(stderr, "loadgen: %u accounts in IDLE%s\n", s->idle_clients,
            with_smtp ? ", SMTP logged in" : "");
}

static void emit(int64_t due_us)
{
    struct load_state *s = &load_state;
    uint64_t seq = s->message_count;

    if (seq == s->message_max) {
        s->message_max = s->message_max == 0 ? 65536 : s->message_max * 2;
        s->messages = mem_realloc(s->messages, s->message_max * sizeof(*s->messages));
    }
    s->message_count++;
    s->messages[seq] =
        (struct load_message){ .due_us = due_us,
                               .sender = crypto_random_below(s->o.accounts),
                               .left = s->o.recipients };
    load_smtp_submit(&s->clients[s->messages[seq].sender], seq);
}

static uint64_t copies_due(void)
{
    return (load_state.message_count - load_state.failed) * load_state.o.recipients;
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(int64_t begin_us, double cpu)
{
    struct load_state *s = &load_state;
    double seconds = (double)(clock_monotonic_us() - begin_us) / 1e6;

    printf("messages=%" PRIu64 " acked=%" PRIu64 " copies=%" PRIu64 " expunged=%" PRIu64
           " missing=%" PRIu64 " duplicates=%" PRIu64 " behind=%" PRIu64
           " failed=%" PRIu64 " seconds=%.2f",
           s->message_count, s->acked, copies_due(), s->expunged,
           copies_due() - (s->expunged - s->duplicates), s->duplicates, s->behind,
           s->failed, seconds);
    printf(" per_second=%.0f copies_per_second=%.0f", (double)s->acked / seconds,
           (double)s->expunged / seconds);
    printf(" ack_p50=%.2f ack_p99=%.2f exists_p50=%.2f exists_p99=%.2f",
           load_percentile(&s->ack, 0.5), load_percentile(&s->ack, 0.99),
           load_percentile(&s->exists, 0.5), load_percentile(&s->exists, 0.99));
    printf(" due_ack_p50=%.2f due_ack_p99=%.2f due_exists_p50=%.2f due_exists_p99=%.2f",
           load_percentile(&s->ack_due, 0.5), load_percentile(&s->ack_due, 0.99),
           load_percentile(&s->exists_due, 0.5), load_percentile(&s->exists_due, 0.99));
    printf(" client_cpu_s=%.2f\n", cpu_seconds() - cpu);
}

static void settle(void)
{
    int64_t until = clock_monotonic_us() + (int64_t)SETTLE_S * 1000000;

    while (load_state.expunged < copies_due() && clock_monotonic_us() < until)
        peer_poll(clock_monotonic_us() + 100000);
}

static void run_rate(void)
{
    struct load_state *s = &load_state;
    int64_t begin = clock_monotonic_us(), next = begin;
    int64_t end = begin + (int64_t)(s->o.seconds * 1e6);
    double cpu = cpu_seconds();

    while (next < end) {
        int64_t now = clock_monotonic_us();

        for (; next <= now && next < end; next += (int64_t)(1e6 / s->o.rate))
            emit(next);
        peer_poll(next);
    }
    settle();
    report(begin, cpu);
}

static void run_window(void)
{
    struct load_state *s = &load_state;
    int64_t begin = clock_monotonic_us();
    int64_t end = begin + (int64_t)(s->o.seconds * 1e6);
    double cpu = cpu_seconds();

    while (clock_monotonic_us() < end) {
        while (copies_due() - s->expunged < (uint64_t)s->o.window * s->o.recipients)
            emit(clock_monotonic_us());
        peer_poll(clock_monotonic_us() + 10000);
    }
    settle();
    report(begin, cpu);
}

static uint64_t logins_done;

static void on_login(struct load_client *c)
{
    load_sample(&load_state.ack, clock_monotonic_us() - c->exists_us[0]);
    peer_disconnect(&c->imap);
    logins_done++;
}

static void run_logins(void)
{
    struct load_state *s = &load_state;
    int64_t begin = clock_monotonic_us();
    unsigned started = 0;
    double seconds;

    s->logins_only = true;
    s->on_login = on_login;
    while (logins_done < s->o.accounts) {
        if (started < s->o.accounts && started - logins_done < s->o.concurrency) {
            struct load_client *c = &s->clients[started++];

            c->exists_us[0] = clock_monotonic_us();
            CHECK(peer_connect(&c->imap, &s->o.imap, &load_imap_handler, c));
            continue;
        }
        peer_poll(clock_monotonic_us() + 100000);
    }
    seconds = (double)(clock_monotonic_us() - begin) / 1e6;
    printf("logins=%" PRIu64 " seconds=%.2f per_second=%.0f p50=%.2f p99=%.2f\n",
           logins_done, seconds, (double)logins_done / seconds,
           load_percentile(&s->ack, 0.5), load_percentile(&s->ack, 0.99));
}

static void run_idle(void)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

    printf("idle=%u\n", load_state.idle_clients);
    fflush(stdout);
    while (poll(&in, 1, 0) == 0)
        peer_poll(clock_monotonic_us() + 100000);
}

static const struct option long_options[] = {
    { "host", required_argument, NULL, 'h' },
    { "imap-port", required_argument, NULL, 'i' },
    { "smtp-port", required_argument, NULL, 's' },
    { "domain", required_argument, NULL, 'd' },
    { "password", required_argument, NULL, 'p' },
    { "prefix", required_argument, NULL, 'x' },
    { "accounts", required_argument, NULL, 'a' },
    { "recipients", required_argument, NULL, 'r' },
    { "rate", required_argument, NULL, 'R' },
    { "window", required_argument, NULL, 'w' },
    { "concurrency", required_argument, NULL, 'c' },
    { "seconds", required_argument, NULL, 't' },
    { "body-bytes", required_argument, NULL, 'b' },
    { "pairs", no_argument, NULL, 'P' },
    { "door", required_argument, NULL, 'D' },
    { NULL, 0, NULL, 0 },
};

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t n;

    if (!str_to_u64(str_of(text), max, &n) || n == 0)
        load_fail("not a number in range", str_of(text));
    return n;
}

static const struct load_door_kind *find_door(const char *name)
{
    const struct load_door_kind *k = load_door_kinds;

    while (k->name != NULL && strcmp(k->name, name) != 0)
        k++;
    if (k->name == NULL)
        load_fail("--door is smtp, submissions, imaps or https", str_of(name));
    return k;
}

static void take_option(struct load_options *o, int option, const char *value)
{
    switch (option) {
    case 'h':
        o->imap.host = o->smtp.host = value;
        break;
    case 'i':
        o->imap.port = (uint16_t)number(value, 65535);
        break;
    case 's':
        o->smtp.port = (uint16_t)number(value, 65535);
        break;
    case 'd':
        o->domain = value;
        break;
    case 'p':
        o->password = value;
        break;
    case 'x':
        o->prefix = value;
        break;
    case 'a':
        o->accounts = (unsigned)number(value, 100000);
        break;
    case 'r':
        o->recipients = (unsigned)number(value, LOAD_RECIPIENTS_MAX);
        break;
    case 'R':
        o->rate = (double)number(value, 1000000);
        break;
    case 'w':
        o->window = (unsigned)number(value, 100000);
        break;
    case 'c':
        o->concurrency = (unsigned)number(value, 10000);
        break;
    case 't':
        o->seconds = (double)number(value, 3600);
        break;
    case 'P':
        o->pairs = true;
        break;
    case 'D':
        o->door = find_door(value);
        break;
    case 'b':
        o->body_bytes = number(value, 1 << 20);
        break;
    default:
        load_fail("unknown option; see the head of bench/main.c", S(""));
    }
}

static void raise_file_limit(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

int main(int argc, char **argv)
{
    struct load_options *o = &load_state.o;
    const char *mode = argc > 1 ? argv[1] : "";
    int option;

    *o = (struct load_options){ .imap = { .host = "127.0.0.1", .port = 2993 },
                                .smtp = { .host = "127.0.0.1", .port = 2465 },
                                .domain = "_postbus.localhost",
                                .door = load_door_kinds,
                                .password = "loadgen-password-1",
                                .prefix = "ldg",
                                .accounts = 100,
                                .recipients = 1,
                                .window = 64,
                                .concurrency = 32,
                                .rate = 50,
                                .seconds = 10,
                                .body_bytes = 10000 };
    optind = 2;
    while (argc > 1 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(o, option, optarg);
    if (o->recipients > o->accounts)
        load_fail("more recipients than accounts", S(""));
    if (o->pairs && (o->recipients > 1 || o->accounts % 2 != 0))
        load_fail("pairs have one recipient, and are pairs", S(""));
    load_state.newest = map_new();
    load_state.run = crypto_random_u64() >> 16;
    raise_file_limit();
    peer_setup();
    if (strcmp(mode, "sink") == 0)
        load_sink();
    if (strcmp(mode, "walk") == 0) {
        load_walk(o->seconds);
        return 0;
    }
    if (strcmp(mode, "door") == 0) {
        load_door();
        return 0;
    }
    make_clients();
    if (strcmp(mode, "logins") == 0) {
        run_logins();
        return 0;
    }
    if (strcmp(mode, "idle") != 0 && strcmp(mode, "rate") != 0 &&
        strcmp(mode, "window") != 0)
        load_fail("first argument is rate, window, logins, idle, door, walk or sink",
                  str_of(mode));
    set_up(strcmp(mode, "idle") != 0);
    if (strcmp(mode, "idle") == 0)
        run_idle();
    else if (strcmp(mode, "rate") == 0)
        run_rate();
    else
        run_window();
    return 0;
}
