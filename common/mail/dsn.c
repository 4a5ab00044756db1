/* dsn.c - three parts, written in order into one buffer. */
#include "mail/dsn.h"

#include "base/arena.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/scrub.h"

enum {
    MAX_BYTES = 4 * 1024 * 1024,
    MAX_TEXT_BYTES = 800, /* of one remote answer, so that its line stays below 998 */
};

static bool is_ascii(str_t s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127)
            return false;
    }
    return true;
}

/* Any text on one line: controls become blanks, the rest is cut. */
static void put_text(struct buf *b, str_t s)
{
    s = str_head(s, MAX_TEXT_BYTES);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        buf_putc(b, c < ' ' || c == 127 ? ' ' : (char)c);
    }
}

static void put_field(struct buf *b, const char *name, str_t value)
{
    buf_puts(b, name);
    buf_puts(b, ": ");
    put_text(b, value);
    buf_puts(b, "\r\n");
}

static void put_date(struct buf *b, const char *name, int64_t unix_seconds)
{
    char text[DATE_TEXT_BYTES];

    put_field(b, name, date_format(unix_seconds, text));
}

/* RFC 3463 2: three numbers, the first of which says that the failure is for good. */
static str_t status_of(str_t s)
{
    str_t rest = s, part;
    size_t parts = 0;
    uint64_t number;

    while (str_split(&rest, '.', &part)) {
        if (part.n > 3 || !str_to_u64(part, 999, &number) ||
            (parts == 0 && number != 5 && number != 4))
            return S("5.0.0");
        parts++;
    }
    return parts == 3 && s.p[s.n - 1] != '.' ? s : S("5.0.0");
}

static bool needs_utf8(const struct dsn *d, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_ascii(d->recipients[i].address))
            return true;
    }
    return !is_ascii(d->to);
}

static void put_header(struct buf *b, const struct dsn *d)
{
    buf_puts(b, "Return-Path: <>\r\n");
    put_date(b, "Date", d->now_unix);
    buf_puts(b, "From: Mail Delivery System <MAILER-DAEMON@");
    put_text(b, d->domain);
    buf_puts(b, ">\r\nTo: <");
    put_text(b, d->to);
    buf_puts(b, ">\r\nSubject: Undelivered Mail Returned to Sender\r\nMessage-ID: <");
    put_text(b, d->token);
    buf_puts(b, "@");
    put_text(b, d->domain);
    buf_puts(b, ">\r\nAuto-Submitted: auto-replied\r\n"
                "MIME-Version: 1.0\r\n"
                "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                "\tboundary=\"=_dsn_");
    put_text(b, d->token);
    buf_puts(b, "\"\r\nContent-Transfer-Encoding: 8bit\r\n");
}

/* A delimiter line and the header of the part behind it. */
static void put_delimiter(struct buf *b, const struct dsn *d, const char *type)
{
    buf_puts(b, "\r\n--=_dsn_");
    put_text(b, d->token);
    buf_puts(b, "\r\n");
    put_field(b, "Content-Type", str_of(type));
    buf_puts(b, "Content-Transfer-Encoding: 8bit\r\n\r\n");
}

static void put_words(struct buf *b, const struct dsn *d, size_t count)
{
    buf_puts(b, "This is the mail server at ");
    put_text(b, d->hostname);
    buf_puts(b,
             ".\r\n\r\n"
             "A message that you sent did not reach everybody.  It is not tried again\r\n"
             "for the addresses below.\r\n\r\n");
    for (size_t i = 0; i < count; i++) {
        buf_puts(b, "<");
        put_text(b, d->recipients[i].address);
        buf_puts(b, ">: ");
        if (d->recipients[i].remote_mta.n > 0) {
            buf_puts(b, "host ");
            put_text(b, d->recipients[i].remote_mta);
            buf_puts(b, " said: ");
        }
        put_text(b, d->recipients[i].diagnostic);
        buf_puts(b, "\r\n");
    }
}

static void put_status(struct buf *b, const struct dsn *d, size_t count, bool utf8)
{
    if (d->envid.n > 0)
        put_field(b, "Original-Envelope-Id", d->envid);
    buf_puts(b, "Reporting-MTA: dns; ");
    put_text(b, d->hostname);
    buf_puts(b, "\r\n");
    if (d->queue_id.n > 0)
        put_field(b, "X-Postbus-Queue-ID", d->queue_id);
    put_date(b, "Arrival-Date", d->arrival_unix);
    for (size_t i = 0; i < count; i++) {
        const struct dsn_recipient *r = &d->recipients[i];

        buf_puts(b, "\r\n");
        if (r->original.n > 0)
            put_field(b, "Original-Recipient", r->original);
        buf_puts(b, "Final-Recipient: ");
        buf_puts(b, utf8 && !is_ascii(r->address) ? "utf-8; " : "rfc822; ");
        put_text(b, r->address);
        buf_puts(b, "\r\nAction: failed\r\n");
        put_field(b, "Status", status_of(r->status));
        if (r->remote_mta.n > 0) {
            buf_puts(b, "Remote-MTA: dns; ");
            put_text(b, r->remote_mta);
            buf_puts(b, "\r\n");
        }
        buf_puts(b, r->remote_mta.n > 0 ? "Diagnostic-Code: smtp; "
                                        : "Diagnostic-Code: x-postbus; ");
        put_text(b, r->diagnostic);
        buf_puts(b, "\r\n");
        put_date(b, "Last-Attempt-Date", d->now_unix);
    }
}

/* Whole fields only.  A line that is no field could be taken for a delimiter. */
static void put_original(struct buf *b, const struct dsn *d)
{
    size_t left = DSN_MAX_HEADER_BYTES;
    struct header_field field;
    struct header_iter it;

    header_init(&it, scrub_without_return_path(d->original));
    while (header_next(&it, &field)) {
        if (field.name.n == 0)
            continue;
        if (field.whole.n > left)
            return;
        left -= field.whole.n;
        buf_put(b, field.whole);
        if (field.whole.p[field.whole.n - 1] != '\n')
            buf_puts(b, "\r\n");
    }
}

str_t dsn_compose(struct arena *a, const struct dsn *d)
{
    size_t count =
        d->recipient_count < DSN_MAX_RECIPIENTS ? d->recipient_count : DSN_MAX_RECIPIENTS;
    bool utf8 = needs_utf8(d, count);
    struct buf *b = arena_buf(a, MAX_BYTES + DSN_MAX_FULL_BYTES);
    bool whole = d->is_whole && d->original.n <= DSN_MAX_FULL_BYTES;

    put_header(b, d);
    put_delimiter(b, d, "text/plain; charset=utf-8");
    put_words(b, d, count);
    put_delimiter(b, d,
                  utf8 ? "message/global-delivery-status" : "message/delivery-status");
    put_status(b, d, count, utf8);
    put_delimiter(b, d,
                  whole ? (utf8 ? "message/global" : "message/rfc822")
                        : (utf8 ? "message/global-headers" : "text/rfc822-headers"));
    if (whole)
        buf_put(b, scrub_without_return_path(d->original));
    else
        put_original(b, d);
    buf_puts(b, "\r\n--=_dsn_");
    put_text(b, d->token);
    buf_puts(b, "--\r\n");
    return buf_str(b);
}
