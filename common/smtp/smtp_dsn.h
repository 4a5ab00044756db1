/* smtp_dsn.h - the parameters of RFC 3461: RET and ENVID of MAIL, NOTIFY and ORCPT of
 * RCPT.
 *
 * Pure.  What is decoded is printable, so that a report can repeat it.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"
#include "mail/envelope.h"

#include <stdbool.h>

struct arena;
struct buf;

enum { SMTP_DSN_ENVID_BYTES = 100, SMTP_DSN_ORCPT_BYTES = 500 }; /* as they are sent */

/* Each RC_INVALID: 501. */
enum rc smtp_dsn_ret(str_t value, enum envelope_ret *out) RC_CHECKED;
enum rc smtp_dsn_envid(struct arena *a, str_t value, str_t *out) RC_CHECKED;
enum rc smtp_dsn_notify(str_t value, unsigned *out) RC_CHECKED;

/* *out: "rfc822;user@x.example", decoded.  One of type utf-8 (RFC 6533) has its letters
 * beyond ASCII as \x{E4} then, however it was sent; as they are only with utf8. */
enum rc smtp_dsn_orcpt(struct arena *a, str_t value, bool utf8, str_t *out) RC_CHECKED;

/* " RET=HDRS ENVID=x" and " NOTIFY=NEVER ORCPT=rfc822;x", or nothing. */
void smtp_dsn_put_mail(struct buf *out, enum envelope_ret ret, str_t envid);
void smtp_dsn_put_rcpt(struct buf *out, unsigned notify, str_t orcpt);
