/* smtp_client.c - SMTP as the one who sends: greeting, STARTTLS, one mail after another.
 */
#include "smtp_client.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "net/tls.h"
#include "smtp/smtp_dsn.h"
#include "smtp/smtp_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BLOCK_MS = 120 * 1000, /* for one write of data */
    FINAL_MS = 600 * 1000, /* RFC 5321 4.5.3.2.6: a shorter wait makes duplicates */
    DATA_MIN_MS = 600 * 1000,
    DATA_MIN_BYTES_PER_S = 4096, /* a slower server is a tarpit */
    PIECE_BYTES = 32 * 1024,
    REPLY_BYTES = SMTP_REPLY_MAX_LINES * (SMTP_REPLY_MAX_LINE_BYTES + 2),
    LINE_BYTES = SMTP_REPLY_MAX_LINE_BYTES - 2,
    PATH_BYTES_MAX = 600,  /* more than twice what RFC 5321 4.5.3.1.3 allows */
    LINE_BYTES_MAX = 1200, /* that we write: an address and what RFC 3461 5 adds */
    LINES_MAX = 10000,     /* of one reply, those that are not looked at included */
};

static struct deadline earlier(struct deadline a, struct deadline b)
{
    return a.at_ms < b.at_ms ? a : b;
}

/* For a reply, or for those of a pipelined group. */
static struct deadline reply_deadline(const struct smtp_client *c)
{
    struct deadline d = deadline_in_ms(c->command_ms);

    return c->open_until.at_ms > 0 ? earlier(d, c->open_until) : d;
}

static enum rc fail(struct smtp_client *c, enum rc rc, const char *what, str_t detail)
{
    snprintf(c->failure, sizeof(c->failure), "%s%s%.*s", what, detail.n > 0 ? ": " : "",
             (int)(detail.n < 300 ? detail.n : 300), detail.p);
    c->broken = true;
    return rc;
}

static enum rc connection_failed(struct smtp_client *c, enum rc rc, const char *when)
{
    const char *why = stream_failure(c->stream);

    return fail(c, rc, when, str_of(why[0] != '\0' ? why : rc_name(rc)));
}

static enum rc write_all(struct smtp_client *c, str_t bytes, struct deadline d,
                         const char *when)
{
    enum rc rc = stream_write(c->stream, bytes, d);

    return rc == RC_OK ? RC_OK : connection_failed(c, rc, when);
}

static bool is_continued(str_t line)
{
    return line.n > 3 && line.p[3] == '-';
}

/* One reply; its lines live in the arena.  What is too long or too much of it is left
 * out, but for the last line. */
static enum rc read_reply(struct smtp_client *c, struct arena *a, struct deadline d,
                          const char *when, struct smtp_reply *out)
{
    struct buf *raw = arena_buf(a, REPLY_BYTES);
    enum smtp_reply_frame frame = SMTP_REPLY_MORE;

    for (size_t lines = 0; frame == SMTP_REPLY_MORE; lines++) {
        str_t line;
        enum rc rc = stream_read_cut_line(c->stream, LINE_BYTES, d, &line);

        if (rc != RC_OK)
            return connection_failed(c, rc, when);
        if (lines > LINES_MAX)
            return fail(c, RC_INVALID, when, S("the reply has no end"));
        if (lines >= SMTP_REPLY_MAX_LINES - 1 && is_continued(line))
            continue;
        buf_put(raw, line);
        buf_puts(raw, "\r\n");
        frame = raw->full ? SMTP_REPLY_BAD : smtp_reply_parse(buf_str(raw), out);
    }
    if (frame == SMTP_REPLY_BAD)
        return fail(c, RC_INVALID, when, S("reply is not SMTP"));
    if (out->code == 421)
        c->broken = true; /* the server closes after this one */
    return RC_OK;
}

static enum rc command(struct smtp_client *c, struct arena *a, const char *line,
                       const char *when, struct smtp_reply *out)
{
    struct deadline d = reply_deadline(c);
    enum rc rc = write_all(c, str_of(line), d, when);

    return rc == RC_OK ? read_reply(c, a, d, when, out) : rc;
}

static enum rc refused(struct smtp_client *c, struct arena *a, const char *when,
                       const struct smtp_reply *r)
{
    return fail(c, RC_INVALID, when, smtp_reply_text(a, r, 300));
}

static void read_features(struct smtp_client *c, const struct smtp_reply *r)
{
    str_t args;

    c->starttls = smtp_reply_has_keyword(r, "STARTTLS", &args);
    c->pipelining = smtp_reply_has_keyword(r, "PIPELINING", &args);
    c->smtputf8 = smtp_reply_has_keyword(r, "SMTPUTF8", &args);
    c->eight_bit = smtp_reply_has_keyword(r, "8BITMIME", &args);
    c->requiretls = smtp_reply_has_keyword(r, "REQUIRETLS", &args);
    c->dsn = smtp_reply_has_keyword(r, "DSN", &args);
    c->size = smtp_reply_has_keyword(r, "SIZE", &args);
    c->size_max = 0;
    if (c->size && !str_to_u64(str_trim(args), UINT64_MAX, &c->size_max))
        c->size_max = 0;
}

/* RFC 5321 3.1, RFC 7504: with 521 and 554 a host says that it never takes mail.  Other
 * 5xx are said in passing trouble as well. */
static enum rc greeting(struct smtp_client *c, struct arena *a)
{
    struct smtp_reply r;
    enum rc rc = read_reply(c, a, c->open_until, "greeting", &r);

    if (rc != RC_OK || r.code / 100 == 2)
        return rc;
    c->takes_no_mail = r.code == 521 || r.code == 554;
    return refused(c, a, "greeting", &r);
}

/* RFC 5321 3.2: for a host that does not know EHLO. */
static enum rc say_helo(struct smtp_client *c, struct arena *a, const char *helo)
{
    static const struct smtp_reply no_extension;
    struct smtp_reply r;
    enum rc rc = command(c, a, arena_printf(a, "HELO %s\r\n", helo), "HELO", &r);

    if (rc == RC_OK && r.code != 250) {
        c->takes_no_mail = r.code / 100 == 5;
        return refused(c, a, "HELO", &r);
    }
    read_features(c, &no_extension);
    return rc;
}

static enum rc say_ehlo(struct smtp_client *c, struct arena *a, const char *helo)
{
    struct smtp_reply r;
    enum rc rc = command(c, a, arena_printf(a, "EHLO %s\r\n", helo), "EHLO", &r);

    if (rc == RC_OK && r.code / 100 == 5 && !c->broken)
        return say_helo(c, a, helo);
    if (rc == RC_OK && r.code != 250)
        rc = refused(c, a, "EHLO", &r);
    if (rc == RC_OK)
        read_features(c, &r);
    return rc;
}

static enum rc start_tls(struct smtp_client *c, struct arena *a,
                         const struct smtp_client_setup *s)
{
    enum tls_verify verify =
        s->policy.level == TLS_LEVEL_VERIFIED ? TLS_VERIFY_NAME : TLS_VERIFY_NONE;
    struct smtp_reply r;
    enum rc rc = command(c, a, "STARTTLS\r\n", "STARTTLS", &r);

    if (rc == RC_OK && r.code != 220) {
        c->lacks_requiretls = r.code / 100 == 5;
        return fail(c, RC_DENIED, "STARTTLS refused", smtp_reply_text(a, &r, 300));
    }
    if (rc == RC_OK) {
        rc = stream_start_tls(c->stream, s->tls, arena_cstr(a, s->policy.name), verify,
                              c->open_until);
        c->lacks_requiretls = rc == RC_DENIED;
        if (rc != RC_OK)
            rc = connection_failed(c, rc, "TLS");
    }
    return rc;
}

static enum rc open_session(struct smtp_client *c, struct arena *a,
                            const struct smtp_client_setup *s)
{
    enum rc rc = greeting(c, a);

    if (rc == RC_OK)
        rc = say_ehlo(c, a, s->helo);
    c->lacks_requiretls = rc == RC_OK && !c->starttls;
    if (rc == RC_OK && !c->starttls)
        rc = fail(c, RC_DENIED, "STARTTLS is not offered, nothing is sent in the clear",
                  S(""));
    if (rc == RC_OK)
        rc = start_tls(c, a, s);
    if (rc == RC_OK)
        rc = say_ehlo(c, a, s->helo); /* what was said in the clear is forgotten */
    if (rc == RC_OK && s->policy.requiretls && !c->requiretls) {
        c->lacks_requiretls = true;
        rc = fail(c, RC_DENIED, "REQUIRETLS is not offered", S(""));
        c->broken = false; /* the host hears a goodbye */
    }
    return rc;
}

enum rc smtp_client_open(struct smtp_client *c, struct stream *stream,
                         const struct smtp_client_setup *setup, struct deadline until)
{
    struct arena *a = arena_new();
    enum rc rc;

    *c = (struct smtp_client){ .stream = stream,
                               .command_ms = setup->command_ms,
                               .open_until = until };
    rc = open_session(c, a, setup);
    c->open_until = (struct deadline){ 0 };
    arena_free(&a);
    return rc;
}

static struct smtp_client_answer answer_of(struct arena *a, const struct smtp_reply *r)
{
    return (struct smtp_client_answer){
        .code = r->code,
        .status = arena_str(a, r->enhanced),
        .text = smtp_reply_text(a, r, SMTP_CLIENT_TEXT_BYTES),
    };
}

/* For everybody who was not refused in person. */
static void answer_rest(struct smtp_client_mail *m, struct smtp_client_answer answer)
{
    for (size_t i = 0; i < m->rcpt_count; i++)
        if (m->rcpt[i].answer.code == 0)
            m->rcpt[i].answer = answer;
    m->accepted = 0;
}

static void compose_mail(const struct smtp_client *c, const struct smtp_client_mail *m,
                         struct buf *out)
{
    buf_printf(out, "MAIL FROM:<%.*s>", STR_ARG(m->sender));
    if (c->size && m->size_bytes > 0)
        buf_printf(out, " SIZE=%" PRIu64, m->size_bytes);
    if (c->eight_bit && m->eight_bit)
        buf_puts(out, " BODY=8BITMIME");
    if (c->smtputf8 && m->smtputf8)
        buf_puts(out, " SMTPUTF8");
    if (m->requiretls)
        buf_puts(out, " REQUIRETLS");
    if (c->dsn)
        smtp_dsn_put_mail(out, m->ret, m->envid);
    buf_puts(out, "\r\n");
}

static void compose_rcpt(const struct smtp_client *c, const struct smtp_client_rcpt *r,
                         struct buf *out)
{
    buf_printf(out, "RCPT TO:<%.*s>", STR_ARG(r->address));
    if (c->dsn)
        smtp_dsn_put_rcpt(out, r->notify, r->orcpt);
    buf_puts(out, "\r\n");
}

/* Addresses come from the queue, whose rows were parsed; a line end in one would be a
 * command of the attacker's choice, and so would be half a line. */
static bool is_safe_path(str_t address)
{
    for (size_t i = 0; i < address.n; i++)
        if ((unsigned char)address.p[i] <= ' ' || address.p[i] == 0x7f ||
            address.p[i] == '<' || address.p[i] == '>')
            return false;
    return address.n <= PATH_BYTES_MAX;
}

/* What need not be asked, because the server has told that it cannot. */
static bool is_impossible(const struct smtp_client *c, const struct smtp_client_mail *m,
                          struct smtp_client_answer *why)
{
    bool safe = is_safe_path(m->sender);

    for (size_t i = 0; i < m->rcpt_count; i++)
        safe = safe && is_safe_path(m->rcpt[i].address);
    if (!safe)
        *why = (struct smtp_client_answer){ 553, S("5.1.3"),
                                            S("553 5.1.3 address cannot be sent") };
    else if (c->size_max > 0 && m->size_bytes > c->size_max)
        *why = (struct smtp_client_answer){
            552, S("5.3.4"), S("552 5.3.4 message is larger than the host accepts")
        };
    else if (m->requiretls && !c->requiretls)
        *why = (struct smtp_client_answer){ 550, S("5.7.30"),
                                            S("550 5.7.30 the host has no REQUIRETLS") };
    else if (m->smtputf8 && !c->smtputf8)
        *why =
            (struct smtp_client_answer){ 553, S("5.6.7"),
                                         S("553 5.6.7 the host does not know SMTPUTF8") };
    else
        return false;
    return true;
}

/* After a refused transaction the server may still hold its first half. */
static enum rc reset(struct smtp_client *c, struct arena *a)
{
    struct smtp_reply r;

    if (c->broken)
        return RC_OK;
    if (command(c, a, "RSET\r\n", "RSET", &r) == RC_OK && r.code / 100 != 2)
        c->broken = true;
    return RC_OK; /* the answers stand whatever becomes of the connection */
}

/* The reply to DATA.  354 although all recipients were refused happens with pipelining:
 * RFC 2920 3.1 demands the final dot then. */
static enum rc take_data_reply(struct smtp_client *c, struct arena *a,
                               struct smtp_client_mail *m, const struct smtp_reply *r)
{
    struct smtp_reply end;

    if (r->code == 354 && m->accepted > 0)
        return RC_OK;
    if (r->code == 354)
        return command(c, a, ".\r\n", "empty message", &end);
    if (r->code / 100 != 4 && r->code / 100 != 5)
        return fail(c, RC_INVALID, "DATA", S("answer makes no sense"));
    answer_rest(m, answer_of(a, r));
    return reset(c, a);
}

/* Being accepted is not being served: who is has no answer before the message's end. */
static void take_rcpt_reply(struct arena *a, struct smtp_client_mail *m, size_t i,
                            const struct smtp_reply *r)
{
    if (r->code / 100 == 2)
        m->accepted++;
    else
        m->rcpt[i].answer = answer_of(a, r);
}

/* An intermediate or nonsensical code must not look like success. */
static bool is_final_code(int code)
{
    return code / 100 == 2 || code / 100 == 4 || code / 100 == 5;
}

static enum rc read_rcpt_replies(struct smtp_client *c, struct arena *a,
                                 struct deadline d, struct smtp_client_mail *m)
{
    for (size_t i = 0; i < m->rcpt_count; i++) {
        struct smtp_reply r;
        enum rc rc = read_reply(c, a, d, "RCPT", &r);

        if (rc != RC_OK)
            return rc;
        if (!is_final_code(r.code))
            return fail(c, RC_INVALID, "RCPT", S("answer makes no sense"));
        take_rcpt_reply(a, m, i, &r);
    }
    return RC_OK;
}

/* What follows a refused MAIL in the pipeline is about the sequence, not about anybody;
 * the refusal stands even if the server hangs up now. */
static enum rc skip_after_mail(struct smtp_client *c, struct arena *a, struct deadline d,
                               struct smtp_client_mail *m, const struct smtp_reply *mail)
{
    struct smtp_reply r = { 0 };
    enum rc rc = RC_OK;

    answer_rest(m, answer_of(a, mail));
    for (size_t i = 0; i < m->rcpt_count + 1 && rc == RC_OK && !c->broken; i++)
        rc = read_reply(c, a, d, "MAIL refused", &r);
    if (rc == RC_OK && r.code == 354 && !c->broken)
        rc = command(c, a, ".\r\n", "MAIL refused", &r);
    return RC_OK;
}

static enum rc read_envelope_replies(struct smtp_client *c, struct arena *a,
                                     struct deadline d, struct smtp_client_mail *m)
{
    struct smtp_reply r;
    enum rc rc = read_reply(c, a, d, "MAIL", &r);

    if (rc == RC_OK && r.code / 100 != 2 && is_final_code(r.code))
        return skip_after_mail(c, a, d, m, &r);
    if (rc == RC_OK && r.code / 100 != 2)
        rc = fail(c, RC_INVALID, "MAIL", S("answer makes no sense"));
    if (rc == RC_OK)
        rc = read_rcpt_replies(c, a, d, m);
    if (rc == RC_OK)
        rc = read_reply(c, a, d, "DATA", &r);
    return rc == RC_OK ? take_data_reply(c, a, m, &r) : rc;
}

static enum rc envelope_pipelined(struct smtp_client *c, struct arena *a,
                                  struct smtp_client_mail *m)
{
    struct buf *group = arena_buf(a, (SMTP_CLIENT_RCPT_MAX + 2) * LINE_BYTES_MAX);
    struct deadline d = reply_deadline(c);
    enum rc rc;

    compose_mail(c, m, group);
    for (size_t i = 0; i < m->rcpt_count; i++)
        compose_rcpt(c, &m->rcpt[i], group);
    buf_puts(group, "DATA\r\n");
    CHECK(!group->full);
    rc = write_all(c, buf_str(group), d, "MAIL");
    return rc == RC_OK ? read_envelope_replies(c, a, d, m) : rc;
}

static enum rc rcpt_one_by_one(struct smtp_client *c, struct arena *a,
                               struct smtp_client_mail *m)
{
    for (size_t i = 0; i < m->rcpt_count; i++) {
        struct buf *line = arena_buf(a, LINE_BYTES_MAX);
        struct smtp_reply r;
        enum rc rc;

        compose_rcpt(c, &m->rcpt[i], line);
        buf_putc(line, '\0');
        rc = command(c, a, line->p, "RCPT", &r);
        if (rc != RC_OK)
            return rc;
        if (!is_final_code(r.code))
            return fail(c, RC_INVALID, "RCPT", S("answer makes no sense"));
        take_rcpt_reply(a, m, i, &r);
        if (c->broken)
            return fail(c, RC_CLOSED, "RCPT", smtp_reply_text(a, &r, 300));
    }
    return RC_OK;
}

static enum rc envelope_lockstep(struct smtp_client *c, struct arena *a,
                                 struct smtp_client_mail *m)
{
    struct buf *line = arena_buf(a, LINE_BYTES_MAX);
    struct smtp_reply r;
    enum rc rc;

    compose_mail(c, m, line);
    buf_putc(line, '\0');
    rc = command(c, a, line->p, "MAIL", &r);
    if (rc == RC_OK && r.code / 100 != 2) {
        if (!is_final_code(r.code))
            return fail(c, RC_INVALID, "MAIL", S("answer makes no sense"));
        answer_rest(m, answer_of(a, &r));
        return reset(c, a);
    }
    if (rc == RC_OK)
        rc = rcpt_one_by_one(c, a, m);
    if (rc == RC_OK && m->accepted == 0)
        return reset(c, a);
    if (rc == RC_OK)
        rc = command(c, a, "DATA\r\n", "DATA", &r);
    if (rc == RC_OK)
        return take_data_reply(c, a, m, &r);
    return rc;
}

enum rc smtp_client_envelope(struct smtp_client *c, struct arena *a,
                             struct smtp_client_mail *m)
{
    struct smtp_client_answer why;
    int64_t most_ms =
        DATA_MIN_MS + (int64_t)(m->size_bytes / DATA_MIN_BYTES_PER_S) * 1000;
    enum rc rc;

    CHECK(m->rcpt_count > 0 && m->rcpt_count <= SMTP_CLIENT_RCPT_MAX && !c->broken);
    m->accepted = 0;
    for (size_t i = 0; i < m->rcpt_count; i++)
        m->rcpt[i].answer = (struct smtp_client_answer){ 0 };
    if (is_impossible(c, m, &why)) {
        answer_rest(m, why);
        return RC_OK;
    }
    smtp_data_encoder_init(&c->encoder);
    c->data_until = deadline_in_ms(most_ms);
    rc = c->pipelining ? envelope_pipelined(c, a, m) : envelope_lockstep(c, a, m);
    if (rc != RC_OK)
        m->accepted = 0;
    return rc;
}

static struct deadline block_deadline(const struct smtp_client *c)
{
    return earlier(deadline_in_ms(BLOCK_MS), c->data_until);
}

static void put_wire(void *wire, const char *p, size_t n)
{
    CHECK(buf_append(wire, p, n) == RC_OK);
}

enum rc smtp_client_data(struct smtp_client *c, struct arena *a, str_t piece)
{
    /* A piece of line ends alone becomes twice as long. */
    struct buf *wire = arena_buf(a, 2 * PIECE_BYTES);
    enum rc rc = RC_OK;

    while (rc == RC_OK && piece.n > 0) {
        buf_clear(wire);
        smtp_data_encode(&c->encoder, str_head(piece, PIECE_BYTES), put_wire, wire);
        rc = write_all(c, buf_str(wire), block_deadline(c), "message");
        piece = str_skip(piece, PIECE_BYTES);
    }
    return rc;
}

enum rc smtp_client_end(struct smtp_client *c, struct arena *a,
                        struct smtp_client_mail *m)
{
    struct buf *wire = arena_buf(a, 16);
    struct smtp_reply r;
    enum rc rc;

    smtp_data_encode_end(&c->encoder, put_wire, wire);
    rc = write_all(c, buf_str(wire), block_deadline(c), "end of message");
    if (rc == RC_OK)
        rc = read_reply(c, a, deadline_in_ms(FINAL_MS), "end of message", &r);
    if (rc == RC_OK && !is_final_code(r.code))
        rc = fail(c, RC_INVALID, "end of message", S("answer makes no sense"));
    answer_rest(m, rc == RC_OK ? answer_of(a, &r) : (struct smtp_client_answer){ 0 });
    return rc;
}

void smtp_client_close(struct smtp_client *c)
{
    if (c->stream != NULL && !c->broken &&
        stream_write(c->stream, S("QUIT\r\n"), deadline_in_ms(100)) != RC_OK)
        c->broken = true;
    stream_close(&c->stream);
}
