/* load_sink.c - the cheapest server that the generator's clients understand.
 *
 * Nothing is checked, stored on disk or kept apart more than needed: a message waits in
 * memory, whole, for each recipient's next fetch.  What it reaches with the generator is
 * the ceiling under which figures of a real server mean something.
 */
#include "load.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

enum { BOX_MESSAGES = 512, MESSAGE_MAX = 4 << 20 };

struct shared { /* one message for several boxes */
    unsigned references;
    struct buf text;
    size_t header_bytes;
};

struct session;

struct box {
    struct session *idler;
    uint64_t uid_next;
    struct shared *messages[BOX_MESSAGES];
    uint64_t uids[BOX_MESSAGES];
    unsigned count, deleted; /* the first `deleted` go at CLOSE */
};

struct session {
    struct peer peer;
    struct box *box;
    char tag[16];
    bool in_data;
    struct box *recipients[LOAD_RECIPIENTS_MAX];
    unsigned recipient_count;
    struct shared *message;
};

static struct map *boxes;

static struct box *box_of(str_t address)
{
    uint64_t key = 1469598103934665603u;
    struct box *b;

    for (size_t i = 0; i < address.n; i++)
        key = (key ^ (unsigned char)address.p[i]) * 1099511628211u;
    b = map_get(boxes, key);
    if (b == NULL) {
        b = mem_alloc(sizeof(*b));
        b->uid_next = 1;
        map_set(boxes, key, b);
    }
    return b;
}

static void release(struct shared *m)
{
    if (--m->references > 0)
        return;
    buf_fini(&m->text);
    mem_free(m);
}

static str_t between(str_t line, char open, char close)
{
    size_t from = str_find_char(line, open);

    line = str_skip(line, from == SIZE_MAX ? line.n : from + 1);
    return str_head(line, str_find_char(line, close));
}

static void announce(struct box *b)
{
    if (b->idler == NULL)
        return;
    peer_printf(&b->idler->peer, "* %u EXISTS\r\n", b->count);
    peer_flush(&b->idler->peer);
    b->idler = NULL;
}

static void deliver(struct session *s)
{
    struct shared *m = s->message;
    size_t end = str_find(buf_str(&m->text), S("\r\n\r\n"));

    m->header_bytes = end == SIZE_MAX ? m->text.n : end + 4;
    for (unsigned i = 0; i < s->recipient_count; i++) {
        struct box *b = s->recipients[i];

        CHECK(b->count < BOX_MESSAGES);
        m->references++;
        b->uids[b->count] = b->uid_next++;
        b->messages[b->count++] = m;
        announce(b);
    }
    release(m);
    s->message = NULL;
    s->recipient_count = 0;
}

static void on_smtp_line(struct peer *p, str_t line)
{
    struct session *s = p->user;

    if (s->in_data) {
        if (str_eq(line, S("."))) {
            s->in_data = false;
            deliver(s);
            peer_send(p, S("250 2.0.0 ok\r\n"));
            return;
        }
        buf_put(&s->message->text, line);
        buf_puts(&s->message->text, "\r\n");
        return;
    }
    if (str_starts(line, S("RCPT")) && s->recipient_count < LOAD_RECIPIENTS_MAX)
        s->recipients[s->recipient_count++] = box_of(between(line, '<', '>'));
    if (str_starts(line, S("AUTH"))) {
        peer_send(p, S("235 2.7.0 ok\r\n"));
    } else if (str_eq(line, S("DATA"))) {
        s->in_data = true;
        s->message = mem_alloc(sizeof(*s->message));
        s->message->references = 1;
        buf_init(&s->message->text, MESSAGE_MAX);
        peer_send(p, S("354 go on\r\n"));
    } else {
        peer_send(p, S("250 2.1.0 ok\r\n"));
    }
}

static void fetch(struct session *s, bool whole)
{
    struct box *b = s->box;

    for (unsigned i = 0; i < b->count; i++) {
        struct shared *m = b->messages[i];
        str_t text = str_head(buf_str(&m->text), whole ? m->text.n : m->header_bytes);

        if (whole && i >= b->deleted)
            break; /* only what the prefetch named */
        peer_printf(&s->peer,
                    "* %u FETCH (UID %" PRIu64 " RFC822.SIZE %zu BODY[] {%zu}\r\n", i + 1,
                    b->uids[i], m->text.n, text.n);
        peer_send(&s->peer, text);
        peer_send(&s->peer, S(")\r\n"));
    }
    if (!whole)
        b->deleted = b->count;
}

static void close_box(struct box *b)
{
    for (unsigned i = 0; i < b->deleted; i++)
        release(b->messages[i]);
    for (unsigned i = b->deleted; i < b->count; i++) {
        b->messages[i - b->deleted] = b->messages[i];
        b->uids[i - b->deleted] = b->uids[i];
    }
    b->count -= b->deleted;
    b->deleted = 0;
}

static void on_imap_line(struct peer *p, str_t line)
{
    struct session *s = p->user;
    str_t rest = line, tag;

    if (str_eq(line, S("DONE"))) {
        s->box->idler = NULL;
        peer_printf(p, "%s OK done\r\n", s->tag);
        return;
    }
    str_split(&rest, ' ', &tag);
    snprintf(s->tag, sizeof(s->tag), "%.*s", STR_ARG(tag));
    if (str_eq(rest, S("IDLE"))) {
        peer_send(p, S("+ idling\r\n"));
        s->box->idler = s;
        if (s->box->count > 0)
            announce(s->box);
        return;
    }
    if (str_starts(rest, S("LOGIN")))
        s->box = box_of(between(rest, '"', '"'));
    else if (str_starts(rest, S("SELECT")))
        peer_printf(p, "* %u EXISTS\r\n* OK [UIDNEXT %" PRIu64 "] next\r\n",
                    s->box->count, s->box->uid_next);
    else if (str_starts(rest, S("UID FETCH")))
        fetch(s, str_find(rest, S("BODY.PEEK[])")) != SIZE_MAX);
    else if (str_eq(rest, S("CLOSE")))
        close_box(s->box);
    peer_printf(p, "%.*s OK done\r\n", STR_ARG(tag));
}

static void on_smtp_ready(struct peer *p)
{
    peer_send(p, S("220 sink\r\n"));
    peer_flush(p);
}

static void on_imap_ready(struct peer *p)
{
    peer_send(p, S("* OK sink\r\n"));
    peer_flush(p);
}

static void on_literal(struct peer *p, str_t head)
{
    (void)p;
    (void)head;
}

static void on_closed(struct peer *p)
{
    struct session *s = p->user;

    if (s->box != NULL && s->box->idler == s)
        s->box->idler = NULL;
    mem_free(s);
}

static const struct peer_handler smtp_side = { on_smtp_ready, on_smtp_line, on_literal,
                                               on_closed, .literals = false };
static const struct peer_handler imap_side = { on_imap_ready, on_imap_line, on_literal,
                                               on_closed, .literals = false };

static void accept_smtp(int fd)
{
    struct session *s = mem_alloc(sizeof(*s));

    peer_serve(&s->peer, fd, &smtp_side, s);
}

static void accept_imap(int fd)
{
    struct session *s = mem_alloc(sizeof(*s));

    peer_serve(&s->peer, fd, &imap_side, s);
}

_Noreturn void load_sink(void)
{
    boxes = map_new();
    peer_listen(&load_state.o.smtp, accept_smtp);
    peer_listen(&load_state.o.imap, accept_imap);
    printf("sink\n");
    fflush(stdout);
    for (;;)
        peer_poll(clock_monotonic_us() + 1000000);
}
