/* smtp_client.h - SMTP as the one who sends: greeting, STARTTLS, one mail after another.
 *
 * Blocking and sequential; each exchange has its deadline (RFC 5321 4.5.3.2, shorter
 * where chat cannot wait).  Everything the server says is hostile and bounded.  Nothing
 * about a mail is written before the TLS policy is satisfied.
 * Thread: one owner at a time.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"
#include "base/str.h"
#include "mail/envelope.h"
#include "net/stream.h"
#include "smtp/smtp_data.h"

#include "tls_policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct tls_context;

enum { SMTP_CLIENT_RCPT_MAX = 100, SMTP_CLIENT_TEXT_BYTES = 400 };

/* What one reply says, and to whom it applies. */
struct smtp_client_answer {
    int code;     /* 0: none came */
    str_t status; /* "5.1.1"; empty if the server gave none */
    str_t text;   /* the whole reply on one printable line */
};

struct smtp_client_rcpt {
    str_t address;
    unsigned notify; /* enum envelope_notify */
    str_t orcpt;     /* as of an envelope_recipient */
    struct smtp_client_answer answer;
};

struct smtp_client_mail {
    str_t sender; /* empty: <> */
    bool smtputf8;
    bool eight_bit;
    bool requiretls; /* only over a connection that was opened for that */
    enum envelope_ret ret;
    str_t envid;         /* decoded */
    uint64_t size_bytes; /* 0: not known */
    struct smtp_client_rcpt *rcpt;
    size_t rcpt_count; /* at most SMTP_CLIENT_RCPT_MAX */
    size_t accepted;   /* how many wait for the end of data */
};

struct smtp_client_setup {
    const char *helo;   /* how we name ourselves */
    int64_t command_ms; /* wait for a reply, or for those of a pipelined group */
    struct tls_policy policy;
    struct tls_context *tls;
};

struct smtp_client {
    struct stream *stream;
    int64_t command_ms;
    struct deadline open_until; /* of all exchanges until the mails begin; then 0 */
    bool broken;                /* only smtp_client_close is left */
    bool takes_no_mail;         /* smtp_client_open failed, and will again */
    bool lacks_requiretls;      /* likewise, for what needs it */
    bool starttls, pipelining, smtputf8, eight_bit, size, dsn, requiretls;
    uint64_t size_max;                    /* 0: no limit told */
    struct smtp_data_encoder encoder;     /* of the mail in progress */
    struct deadline data_until;           /* for all of its data */
    char failure[SMTP_CLIENT_TEXT_BYTES]; /* why the last call failed */
};

/* Greeting, EHLO, STARTTLS as policy demands, EHLO, all of it within one deadline: a host
 * that answers each in time, but late, holds a thread no longer.  Takes the stream in any
 * case; also after a failure end with smtp_client_close.  RC_DENIED: the TLS policy is
 * not met; RC_INVALID: the server refuses service or does not speak SMTP; otherwise the
 * connection's error. */
enum rc smtp_client_open(struct smtp_client *c, struct stream *stream,
                         const struct smtp_client_setup *setup,
                         struct deadline until) RC_CHECKED;

/* MAIL, RCPT and DATA.  RC_OK: each recipient has an answer or is among m->accepted, who
 * get theirs from smtp_client_end; if that is 0 the mail is over.  After an error the
 * recipients without an answer were not served. */
enum rc smtp_client_envelope(struct smtp_client *c, struct arena *a,
                             struct smtp_client_mail *m) RC_CHECKED;

/* The next piece of the message; stuffing and line ends are done here. */
enum rc smtp_client_data(struct smtp_client *c, struct arena *a, str_t piece) RC_CHECKED;

/* The final dot, and its reply as the answer of all accepted recipients.  After an error
 * nobody knows whether the server has the mail. */
enum rc smtp_client_end(struct smtp_client *c, struct arena *a,
                        struct smtp_client_mail *m) RC_CHECKED;

/* QUIT without waiting, unless the connection is broken or a mail is unfinished. */
void smtp_client_close(struct smtp_client *c);
