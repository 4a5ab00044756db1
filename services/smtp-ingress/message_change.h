/* message_change.h - a message that somebody who was asked about it has changed.
 *
 * What comes of their wishes takes the place of what was received: later checks see it,
 * it is what is stored, and the checks of the first thread (author and encryption among
 * them) have to pass it again before.
 * Thread: the judge that has the message.
 */
#pragma once

#include "checks.h"

struct message_edit;

/* For changes of the recipients: who gets a message is part of what those checks judge.
 */
void message_change_pass_again(struct check *c);

/* CHECK_REFUSE: it became too large, or there is no room for it; the reply is written. */
enum check_result message_change_apply(struct check *c, struct message_edit *e);
