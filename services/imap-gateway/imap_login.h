/* imap_login.h - what LOGIN and AUTHENTICATE have in common, and SASL's prompts.
 *
 * AUTHENTICATE is gathered until it is whole: a line that the client sends as an answer
 * to "+" is appended to the command, so the handler sees all of it at once, as with
 * SASL-IR (RFC 4959).
 */
#pragma once

#include "imap_command.h"

#include "base/str.h"

/* Check name and password and answer.  CMD_REFUSED when they are wrong. */
enum cmd_result imap_login_try(struct imap_cmd *cmd, str_t user, str_t password);

/* The next prompt for an AUTHENTICATE that is not whole yet, NULL when it is (or when it
 * is so wrong that the handler should say so). */
const char *imap_login_prompt(str_t command);
