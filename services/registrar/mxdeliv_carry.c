/* mxdeliv_carry.c - the dialogue with smtp-ingress, top to bottom. */
#include "mxdeliv_carry.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "net/http_stream.h"
#include "net/proxy_protocol.h"
#include "net/stream.h"
#include "replicas.h"
#include "smtp/smtp_data.h"
#include "smtp/smtp_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    REPLY_BYTES = 64 * 1024,
    REPLY_TEXT_BYTES = 500,
    LINES_BYTES = 64 * 1024,  /* MAIL, a hundred times RCPT, DATA */
    ENOUGH_BYTES = 48 * 1024, /* of a body, to begin with; chat messages are smaller */
    GREET_MS = 5 * 1000,      /* to connect and be greeted; the next one may be quicker */
    LONGEST_LINE_BYTES = 1 << 20, /* smtp-ingress has its own opinion */
};

#define NOT_NOW   "451 4.3.0 Try again later"
#define TIMED_OUT "421 4.4.2 Timeout exceeded"

/* One attempt. */
struct dialogue {
    const struct mxdeliv_carry *job;
    struct arena *arena;
    struct stream *stream;
    struct smtp_reply reply; /* the last */
    struct smtp_data data;
    char tail[2]; /* the last bytes of the body */
    size_t body_bytes;
    struct mxdeliv_answer answer;
};

static void say(struct dialogue *d, int status, const char *text)
{
    d->answer = (struct mxdeliv_answer){ status, str_of(text) };
}

/* --- replies --------------------------------------------------------------------------
 */

static enum rc read_reply_by(struct dialogue *d, struct deadline until)
{
    struct buf *raw = arena_buf(d->arena, REPLY_BYTES);
    enum smtp_reply_frame frame = SMTP_REPLY_MORE;

    while (frame == SMTP_REPLY_MORE) {
        str_t line;
        enum rc rc = stream_read_line(d->stream, SMTP_REPLY_MAX_LINE_BYTES, until, &line);

        if (rc != RC_OK)
            return rc;
        buf_put(raw, line);
        buf_puts(raw, "\r\n");
        frame = smtp_reply_parse(buf_str(raw), &d->reply);
    }
    return frame == SMTP_REPLY_DONE ? RC_OK : RC_INVALID;
}

static enum rc read_reply(struct dialogue *d)
{
    return read_reply_by(d, d->job->until);
}

/* The reference has 200 and 400 only; a message that is too large has a status of its
 * own there, and a replica that goes away has refused nothing. */
static int status_of(const struct smtp_reply *r)
{
    if (r->code / 100 == 2)
        return 200;
    if (r->code == 421)
        return 503;
    return r->code == 552 && str_eq(r->enhanced, S("5.3.4")) ? 413 : 400;
}

static void pass_on(struct dialogue *d)
{
    d->answer.status = status_of(&d->reply);
    d->answer.text = smtp_reply_text(d->arena, &d->reply, REPLY_TEXT_BYTES);
}

/* --- up to DATA -----------------------------------------------------------------------
 */

static void put_hello(const struct mxdeliv_carry *job, struct buf *out)
{
    struct proxy_protocol p = { .client = job->client, .tls = true };
    char ip[ADDR_TEXT_BYTES];

    proxy_protocol_format(&p, out);
    /* The client gave no name, and ours must not be judged in its place. */
    buf_printf(out, "EHLO [%s%s]\r\n", job->client.family == 6 ? "IPv6:" : "",
               addr_text(&job->client, ip));
}

static void put_envelope(const struct mxdeliv_carry *job, struct buf *out)
{
    const struct mxdeliv_form *form = &job->form;

    buf_printf(out, "MAIL FROM:<%.*s> BODY=8BITMIME", STR_ARG(form->sender));
    if (job->body_bytes > 0)
        buf_printf(out, " SIZE=%" PRIu64, job->body_bytes);
    buf_puts(out, form->utf8 ? " SMTPUTF8\r\n" : "\r\n");
    for (size_t i = 0; i < form->recipient_count; i++)
        buf_printf(out, "RCPT TO:<%.*s>\r\n", STR_ARG(form->recipients[i]));
    buf_puts(out, "DATA\r\n");
}

/* RC_INVALID: it does not want to. */
static enum rc greet(struct dialogue *d, struct deadline until)
{
    struct buf *out = arena_buf(d->arena, LINES_BYTES);
    enum rc rc;

    put_hello(d->job, out);
    rc = stream_write(d->stream, buf_str(out), until);
    for (int i = 0; i < 2 && rc == RC_OK; i++) {
        rc = read_reply_by(d, until);
        if (rc == RC_OK && d->reply.code / 100 != 2)
            rc = RC_INVALID;
    }
    return rc;
}

/* All or nothing: the first refusal is the answer, and who asked sends the message by
 * SMTP, where each recipient has an answer of its own. */
static enum rc envelope(struct dialogue *d)
{
    struct buf *out = arena_buf(d->arena, LINES_BYTES);
    size_t replies = d->job->form.recipient_count + 2;
    enum rc rc;

    put_envelope(d->job, out);
    rc = stream_write(d->stream, buf_str(out), d->job->until);
    for (size_t i = 0; i < replies && rc == RC_OK && d->answer.status == 0; i++) {
        rc = read_reply(d);
        if (rc == RC_OK && d->reply.code / 100 > 3)
            pass_on(d);
    }
    return rc;
}

static enum rc begin(struct dialogue *d, const struct addr *to)
{
    struct deadline soon = deadline_in_ms(GREET_MS);
    enum rc rc;

    if (soon.at_ms > d->job->until.at_ms)
        soon = d->job->until;
    rc = stream_connect(to, soon, &d->stream);
    if (rc == RC_OK)
        rc = greet(d, soon);
    if (rc == RC_OK)
        rc = envelope(d);
    if (rc == RC_OK && d->answer.status == 503)
        rc = RC_CLOSED;
    return rc;
}

static bool find_one(struct dialogue *d)
{
    struct replicas_walk walk;
    struct addr at;

    replicas_begin(d->job->ingress, &walk);
    while (replicas_next(d->job->ingress, &walk, &at) &&
           !deadline_passed(d->job->until)) {
        enum rc rc = begin(d, &at);

        if (rc == RC_OK)
            return true;
        log_debug("mxdeliv.replica", "rc=%s", rc_name(rc));
        if (d->stream != NULL)
            stream_close(&d->stream);
        d->answer.status = 0;
    }
    return false;
}

/* --- the message ----------------------------------------------------------------------
 */

static void ignore(void *context, const char *p, size_t n)
{
    (void)context;
    (void)p;
    (void)n;
}

/* Nothing may reach smtp-ingress that could end the message, and speak to it after that.
 */
static bool is_part_of_message(struct dialogue *d, str_t piece)
{
    size_t used;
    bool ended = smtp_data_feed(&d->data, piece, &used, ignore, NULL);

    if ((d->data.faults & (SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF)) != 0)
        say(d, 400, "500 Invalid DATA: bare CR or LF");
    else if ((d->data.faults & SMTP_DATA_NUL) != 0)
        say(d, 400, "500 Invalid DATA: NUL byte");
    else if (ended)
        say(d, 400, "500 Invalid DATA");
    for (size_t i = piece.n > 2 ? piece.n - 2 : 0; i < piece.n; i++) {
        d->tail[0] = d->tail[1];
        d->tail[1] = piece.p[i];
    }
    d->body_bytes += piece.n;
    return d->answer.status == 0;
}

/* What it said before it went, if it said anything. */
static void hear_last_words(struct dialogue *d)
{
    if (read_reply(d) == RC_OK && d->reply.code / 100 > 3)
        pass_on(d);
    else
        say(d, 503, NOT_NOW);
}

static void body_failed(struct dialogue *d, enum rc rc)
{
    if (rc == RC_TIMEOUT)
        say(d, 408, TIMED_OUT);
    else if (rc != RC_NOT_FOUND)
        d->answer.status = 0;
    else if (d->body_bytes < 2 || memcmp(d->tail, "\r\n", 2) != 0)
        say(d, 400, "500 Invalid DATA");
}

/* True: all of it is there. */
static bool send_body(struct dialogue *d)
{
    enum rc rc;
    str_t piece;

    while ((rc = http_stream_read(d->job->body, d->job->until, &piece)) == RC_OK) {
        if (!is_part_of_message(d, piece))
            return false;
        if (stream_write(d->stream, piece, d->job->until) != RC_OK) {
            hear_last_words(d);
            return false;
        }
    }
    body_failed(d, rc);
    return rc == RC_NOT_FOUND && d->answer.status == 0;
}

static void end(struct dialogue *d)
{
    if (stream_write(d->stream, S(".\r\n"), d->job->until) != RC_OK ||
        read_reply(d) != RC_OK)
        say(d, 503, NOT_NOW);
    else
        pass_on(d);
}

struct mxdeliv_answer mxdeliv_carry(struct arena *a, const struct mxdeliv_carry *job)
{
    struct dialogue d = { .job = job, .arena = a };
    enum rc rc = http_stream_wait(job->body, ENOUGH_BYTES, job->until);

    smtp_data_init(&d.data, UINT64_MAX, LONGEST_LINE_BYTES);
    if (rc != RC_OK)
        body_failed(&d, rc);
    else if (!find_one(&d))
        say(&d, 503, NOT_NOW);
    else if (d.answer.status == 0 && send_body(&d))
        end(&d);
    if (d.stream != NULL)
        stream_close(&d.stream);
    return d.answer;
}
