/* smtp_params.h - what may stand behind the path of MAIL and RCPT.
 *
 * Thread: the session's.
 */
#pragma once

#include "smtp/smtp_command.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct transaction;
struct transaction_recipient;

/* Take the parameters of MAIL into t.  False: the reply is written. */
bool smtp_params_mail(const struct smtp_command_path *path, bool tls,
                      struct transaction *t, struct buf *out);
/* Those of RCPT, into about. */
bool smtp_params_rcpt(const struct smtp_command_path *path, bool tls,
                      struct transaction *t, struct transaction_recipient *about,
                      struct buf *out);

/* Lines of the EHLO reply (never the last). */
void smtp_params_ehlo(struct buf *out, bool tls, int64_t max_message_bytes);
