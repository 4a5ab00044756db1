/* load_smtp.c - the SMTP half: one connection kept, pipelined envelopes in three writes.
 */
#include "load.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

#include <inttypes.h>

static const char *recipient(const struct load_client *c, uint64_t seq, unsigned i)
{
    uint64_t to = load_state.o.pairs ? c->index ^ 1 : c->index + 1 + seq * 7 + i;

    return load_state.clients[to % load_state.o.accounts].user;
}

static void start_next(struct load_client *c)
{
    uint64_t seq;

    if (c->smtp_step != SMTP_READY || c->queue_count == 0)
        return;
    seq = c->queue[c->queue_head];
    c->smtp_step = SMTP_ENVELOPE;
    c->smtp_replies = load_state.o.recipients + 2;
    peer_printf(&c->smtp, "MAIL FROM:<%s> BODY=8BITMIME SMTPUTF8\r\n", c->user);
    peer_flush(&c->smtp);
    for (unsigned i = 0; i < load_state.o.recipients; i++)
        peer_printf(&c->smtp, "RCPT TO:<%s>\r\n", recipient(c, seq, i));
    peer_flush(&c->smtp);
    peer_send(&c->smtp, S("DATA\r\n"));
    peer_flush(&c->smtp);
}

void load_smtp_submit(struct load_client *c, uint64_t seq)
{
    if (c->queue_count == ARRAY_LEN(c->queue)) {
        load_state.failed++; /* the server is hopelessly behind */
        return;
    }
    c->queue[(c->queue_head + c->queue_count++) % ARRAY_LEN(c->queue)] = seq;
    start_next(c);
}

static void send_body(struct load_client *c)
{
    uint64_t seq = c->queue[c->queue_head];

    c->smtp_step = SMTP_BODY;
    message_compose(&c->smtp.out, c->user, load_state.run, seq, load_state.o.body_bytes);
    peer_send(&c->smtp, S(".\r\n"));
    peer_flush(&c->smtp);
    load_state.messages[seq].dot_us = clock_monotonic_us();
    load_state.sent++;
}

static void on_accepted(struct load_client *c)
{
    struct load_message *m = &load_state.messages[c->queue[c->queue_head]];

    m->acked_us = clock_monotonic_us();
    load_state.acked++;
    load_sample(&load_state.ack, m->acked_us - m->dot_us);
    load_sample(&load_state.ack_due, m->acked_us - m->due_us);
    c->queue_head = (c->queue_head + 1) % ARRAY_LEN(c->queue);
    c->queue_count--;
    c->smtp_step = SMTP_READY;
    start_next(c);
}

static void authenticate(struct load_client *c)
{
    struct arena *a = arena_new();
    struct buf *text = arena_buf(a, 1024), *code = arena_buf(a, 2048);

    buf_printf(text, "%c%s%c%s", 0, c->user, 0, load_state.o.password);
    crypto_base64_encode(code, buf_str(text));
    peer_printf(&c->smtp, "AUTH PLAIN %.*s\r\n", STR_ARG(buf_str(code)));
    peer_flush(&c->smtp);
    arena_free(&a);
}

static void on_line(struct peer *p, str_t line)
{
    struct load_client *c = p->user;

    if (line.n < 3 || line.p[0] > '3')
        load_fail("SMTP refused", line);
    if (line.n > 3 && line.p[3] == '-')
        return;
    switch (c->smtp_step) {
    case SMTP_GREETING:
        c->smtp_step = SMTP_EHLO;
        peer_send(p, S("EHLO [127.0.0.1]\r\n"));
        peer_flush(p);
        break;
    case SMTP_EHLO:
        c->smtp_step = SMTP_AUTH;
        authenticate(c);
        break;
    case SMTP_AUTH:
        c->smtp_step = SMTP_READY;
        load_state.smtp_clients++;
        start_next(c);
        break;
    case SMTP_ENVELOPE:
        if (--c->smtp_replies == 0)
            send_body(c);
        break;
    case SMTP_BODY:
        on_accepted(c);
        break;
    case SMTP_READY:
        load_fail("SMTP said something unasked", line);
    }
}

static void on_literal(struct peer *p, str_t head)
{
    (void)p;
    (void)head;
}

static void on_ready(struct peer *p)
{
    (void)p;
}

static void on_closed(struct peer *p)
{
    struct load_client *c = p->user;

    load_fail("SMTP connection closed by the server", str_of(c->user));
}

const struct peer_handler load_smtp_handler = { on_ready, on_line, on_literal, on_closed,
                                                .literals = false };
