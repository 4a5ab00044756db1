/* milter_talk.h - a connection to a milter, for one message.
 *
 * All talks are on one loop, so a wait holds no thread.  The message is borrowed; it may
 * go away at any time.
 */
#pragma once

#include "base/deadline.h"
#include "base/rc.h"
#include "smtp/milter_dialogue.h"

#include <stdint.h>

struct judgement;
struct milter_room;
struct milter_talk;
struct milters_address;

enum { MILTER_TALK_AT_ONCE = 1024 };

struct milter_room *milter_talk_room_new(void);
/* After the last session: waits for the resolver, if a talk still asks it. */
void milter_talk_room_free(struct milter_room **room);

/* Begins to talk, and holds the message until that has an end: at `until`, or when the
 * milter says nothing for answer_ms.  `about` and what it points to live as long as the
 * message.  From a judge. */
struct milter_talk *milter_talk_begin(struct milter_room *room, struct judgement *g,
                                      const struct milters_address *to,
                                      const struct milter_message *about,
                                      struct deadline until, int64_t answer_ms);

/* In a judge, when the hold is released.  Not RC_OK: it did not come to an end; RC_LIMIT:
 * also when too many talk. */
enum rc milter_talk_result(const struct milter_talk *t,
                           const struct milter_dialogue **said);
