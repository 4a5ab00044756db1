/* load_door.c - a door that many stand in: slow connections from many addresses, and
 * honest visitors who want to come in meanwhile.
 *
 * The slow ones are of several manners, in rotation: silent from the beginning; half a
 * TLS handshake; past the handshake and silent; a byte now and then; a line now and then.
 * Whoever is shut out is back at once.  The visitors come one by one, each from an
 * address that was not seen before, and go as far as a first useful answer.
 */
#include "load.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    NETWORKS = 45,
    OPENING_MAX = 64,       /* slow connections that are being opened */
    SOUND_US = 5000 * 1000, /* between two bytes or lines */
    VISIT_US = 5000 * 1000, /* a visitor gives up */
};

enum manner { SILENT, HALF_HELLO, PAST_HELLO, BYTE_BY_BYTE, LINE_BY_LINE, MANNERS };

struct slow {
    struct peer peer;
    enum manner manner;
    int64_t sound_us; /* when it is to be heard next; 0: it is not open */
    size_t said;      /* how often it was heard */
    char from[16];
};

struct visit {
    struct peer peer;
    int64_t began_us; /* 0: none */
    unsigned step;
    char from[16];
};

static struct door_state {
    struct slow *slow;
    unsigned opening, open, reopened;
    struct visit visit;
    unsigned visits, failed;
    struct load_samples times;
} d;

static const struct load_door_kind *kind(void)
{
    return load_state.o.door;
}

/* The slow ones. */

static void sound_later(struct slow *s)
{
    s->sound_us = clock_monotonic_us() + SOUND_US;
}

static void is_open(struct slow *s)
{
    d.opening--;
    d.open++;
    sound_later(s);
}

static void slow_ready(struct peer *p)
{
    is_open(p->user);
}

static void slow_line(struct peer *p, str_t line)
{
    (void)p;
    (void)line;
}

static void slow_closed(struct peer *p)
{
    struct slow *s = p->user;

    if (s->sound_us != 0)
        d.open--;
    else
        d.opening--;
    s->sound_us = 0;
    d.reopened++;
}

static const struct peer_handler slow_handler = { slow_ready, slow_line, slow_line,
                                                  slow_closed, .literals = false };

static void open_slow(struct slow *s, unsigned i)
{
    struct peer_target to = load_state.o.smtp;

    snprintf(s->from, sizeof(s->from), "127.77.0.%u", i % NETWORKS + 1);
    s->manner = i / NETWORKS % MANNERS;
    s->said = 0;
    to.from = s->from;
    to.clear = !kind()->tls || s->manner < PAST_HELLO;
    if (!peer_connect(&s->peer, &to, &slow_handler, s))
        load_fail("no more connections can be opened here", str_of(s->from));
    d.opening++;
}

/* A piece of what nobody waits for. */
static void make_a_sound(struct slow *s)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01";
    const char *line = kind()->slow_line;
    size_t n = strlen(line);

    sound_later(s);
    if (s->manner == SILENT || s->manner == PAST_HELLO)
        return;
    if (s->manner == HALF_HELLO) {
        if (s->said == 0)
            peer_send(&s->peer, str_n(hello, sizeof(hello) - 1));
        s->said++;
    } else if (s->manner == BYTE_BY_BYTE) {
        peer_send(&s->peer, str_n(line + s->said++ % n, 1));
    } else {
        if (s->said == 0 && kind()->slow_first != NULL)
            line = kind()->slow_first;
        peer_send(&s->peer, str_of(line));
        s->said++;
    }
    peer_flush(&s->peer);
}

static void look_after_slow(void)
{
    int64_t now_us = clock_monotonic_us();

    for (unsigned i = 0; i < load_state.o.accounts; i++) {
        struct slow *s = &d.slow[i];

        if (!peer_is_open(&s->peer) && d.opening < OPENING_MAX)
            open_slow(s, i);
        else if (s->sound_us != 0 && s->sound_us <= now_us)
            make_a_sound(s);
    }
}

/* The visitors. */

static void end_visit(bool good)
{
    struct visit *v = &d.visit;

    load_sample(&d.times, clock_monotonic_us() - v->began_us);
    d.visits++;
    d.failed += !good;
    v->began_us = 0;
    peer_disconnect(&v->peer);
}

static void visit_ready(struct peer *p)
{
    if (kind()->first != NULL)
        peer_send(p, str_of(kind()->first));
}

static void log_in(struct peer *p)
{
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 1024), *code = arena_buf(a, 2048);

    buf_printf(text, "%cdoor00001@%s%c%s", 0, load_state.o.domain, 0,
               load_state.o.password);
    crypto_base64_encode(code, buf_str(text));
    peer_printf(p, "%s%.*s\r\n", kind()->login, STR_ARG(buf_str(code)));
    arena_free(&a);
}

static void visit_line(struct peer *p, str_t line)
{
    const struct load_door_kind *k = kind();
    struct visit *v = &d.visit;

    if (!str_starts(line, str_of(k->expect[v->step])))
        return;
    v->step++;
    if (k->expect[v->step] == NULL)
        end_visit(true);
    else if (v->step == 1 && k->second != NULL)
        peer_send(p, str_of(k->second));
    else if (k->login != NULL)
        log_in(p);
    if (v->began_us != 0)
        peer_flush(p);
}

static void visit_closed(struct peer *p)
{
    (void)p;
    end_visit(false);
}

static const struct peer_handler visit_handler = { visit_ready, visit_line, visit_line,
                                                   visit_closed, .literals = false };

static void begin_visit(void)
{
    static unsigned number;
    struct peer_target to = load_state.o.smtp;
    struct visit *v = &d.visit;

    number++;
    snprintf(v->from, sizeof(v->from), "127.78.%u.%u", number / 250 % 250,
             number % 250 + 1);
    to.from = v->from;
    to.clear = !kind()->tls;
    v->began_us = clock_monotonic_us();
    v->step = 0;
    if (!peer_connect(&v->peer, &to, &visit_handler, v))
        load_fail("no more connections can be opened here", str_of(v->from));
}

/* The first fails if the account cannot be made, and its time counts for nothing. */
static void first_visit(void)
{
    begin_visit();
    while (d.visit.began_us != 0)
        peer_poll(clock_monotonic_us() + 10000);
    if (d.failed > 0)
        load_fail("the first visitor was not let in", str_of(kind()->name));
    d.visits = 0;
    d.times.n = 0;
}

static void open_all(void)
{
    int64_t until_us = clock_monotonic_us() + INT64_C(120) * 1000000;

    while (d.open + d.reopened < load_state.o.accounts) {
        look_after_slow();
        peer_poll(clock_monotonic_us() + 1000);
        if (clock_monotonic_us() > until_us)
            load_fail("not all slow connections could be opened", S(""));
    }
}

void load_door(void)
{
    int64_t next_us, end_us, look_us = 0, now_us;
    unsigned most;

    d.slow = mem_alloc(load_state.o.accounts * sizeof(*d.slow));
    first_visit();
    open_all();
    most = d.open;
    fprintf(stderr, "loadgen: %u slow connections\n", d.open);
    next_us = clock_monotonic_us();
    end_us = next_us + (int64_t)(load_state.o.seconds * 1e6);
    while ((now_us = clock_monotonic_us()) < end_us || d.visit.began_us != 0) {
        if (d.visit.began_us == 0 && now_us >= next_us) {
            begin_visit();
            next_us = now_us + (int64_t)(1e6 / load_state.o.rate);
        } else if (d.visit.began_us != 0 && now_us - d.visit.began_us > VISIT_US) {
            end_visit(false);
        }
        if (now_us >= look_us) {
            look_after_slow();
            look_us = now_us + 20000;
        }
        if (d.open > most)
            most = d.open;
        peer_poll(d.visit.began_us == 0 && next_us < look_us ? next_us : look_us);
    }
    printf("slow=%u slow_at_most=%u reopened=%u visits=%u failed=%u p50=%.1f p99=%.1f "
           "max=%.1f\n",
           load_state.o.accounts, most, d.reopened, d.visits, d.failed,
           load_percentile(&d.times, 0.5), load_percentile(&d.times, 0.99),
           load_percentile(&d.times, 1));
}

const struct load_door_kind load_door_kinds[] = {
    { .name = "smtp",
      .slow_line = "NOOP\r\n",
      .second = "EHLO visitor.example\r\n",
      .expect = { "220 ", "250 ", NULL } },
    { .name = "submissions",
      .tls = true,
      .slow_line = "NOOP\r\n",
      .second = "EHLO visitor.example\r\n",
      .login = "AUTH PLAIN ",
      .expect = { "220 ", "250 ", "235 ", NULL } },
    { .name = "imaps",
      .tls = true,
      .slow_line = "x NOOP\r\n",
      .login = "a AUTHENTICATE PLAIN ",
      .expect = { "* OK ", "a OK ", NULL } },
    { .name = "https",
      .tls = true,
      .slow_first = "GET / HTTP/1.1\r\n",
      .slow_line = "X-Slow: yes\r\n",
      .first = "GET /info HTTP/1.1\r\nHost: visitor.example\r\n\r\n",
      .expect = { "HTTP/1.1 200", NULL } },
    { .name = NULL },
};
