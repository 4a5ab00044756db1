/* search_run.h - judge the selected mailbox by a SEARCH program, turn by turn.
 *
 * What the session knows (flags, sizes, dates, numbers) costs no query.  What must be
 * read comes in sets, one round trip for hundreds of small messages.  A turn is bounded
 * in criteria tried, messages read, bytes looked through and numbers found, so that the
 * worker is soon free for somebody else. Limits: a message longer than
 * STORE_BODY_SMALL_MAX is read alone and whole.
 */
#pragma once

#include "imap_command.h"

#include "base/rc.h"

struct search_program;

/* One turn from cursor->row on: writes " 5" for each that matches, and cursor->row is
 * behind what has been judged. */
enum rc search_run(struct imap_cmd *cmd, const struct search_program *program) RC_CHECKED;
