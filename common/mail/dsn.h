/* dsn.h - compose the report that a message could not be delivered.
 *
 * Pure.  multipart/report: words for people, message/delivery-status for programs, and
 * the failed message's header, or all of it if its sender has asked for that.  Everything
 * that a remote server said is reduced to printable characters and cut.  RFC 3461 6, RFC
 * 3464, RFC 6522.  Thread: any.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum {
    DSN_MAX_RECIPIENTS = 1000,
    DSN_MAX_HEADER_BYTES = 32 * 1024,
    DSN_MAX_FULL_BYTES = 256 * 1024, /* a larger message is not returned whole */
};

struct dsn_recipient {
    str_t address;    /* as the sender wrote it */
    str_t status;     /* "5.1.1"; anything else becomes 5.0.0 */
    str_t diagnostic; /* "550 5.1.1 User doesn't exist", may come from a remote host */
    str_t remote_mta; /* host name; empty if the failure is our own */
    str_t original;   /* ORCPT, decoded: "rfc822;user@x.example"; may be empty */
};

struct dsn {
    str_t domain;   /* From is MAILER-DAEMON@domain */
    str_t hostname; /* Reporting-MTA */
    str_t to;       /* the failed message's envelope sender; the report's own is <> */
    str_t token; /* unique, letters and digits: Message-ID and boundary are made of it */
    str_t queue_id; /* for the reader; may be empty */
    int64_t arrival_unix, now_unix;
    const struct dsn_recipient *recipients; /* beyond DSN_MAX_RECIPIENTS: left out */
    size_t recipient_count;
    str_t envid;    /* ENVID of the failed message, decoded; may be empty */
    str_t original; /* the failed message */
    bool is_whole;  /* all of it is returned, otherwise its header */
};

/* The whole report with CRLF line ends, "Return-Path: <>" first as in every stored
 * message (scrub_without_return_path takes it off on the way to another host). */
str_t dsn_compose(struct arena *a, const struct dsn *d);
