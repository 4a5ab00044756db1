/* msg.h - the messages of the bus as structs, and their two frames.
 *
 * proto/messages.def lists them; the structs, the encoder and the decoder all come from
 * there.  Frame 1 is the topic, frame 2 a JSON object with the fields and the message's
 * name under "message".  Unknown fields are ignored, missing ones are zero.
 * Pure.  Thread: any.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MSG_BODY_MAX = 64 * 1024,
    MSG_TOPIC_BYTES = 32,
    MSG_RANGE_DIGITS = 7, /* of a topic: two buckets of accounts */
    MSG_RANGES = 512,
};

enum msg_kind {
#define MESSAGE(name, pattern, topic) MSG_##name,
#define FIELD(type, name, sentence)
#define MESSAGE_END(name)
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END
    MSG_KIND_COUNT
};

enum msg_pattern { MSG_WORK, MSG_EVENT };

typedef int64_t msg_i64_value; /* the C type of a FIELD(i64, ...) */
typedef uint32_t msg_u32_value;

#define MESSAGE(name, pattern, topic) struct msg_##name {
#define FIELD(type, name, sentence)   msg_##type##_value name;
#define MESSAGE_END(name)                                                                \
    }                                                                                    \
    ;
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END

struct msg {
    enum msg_kind kind;
    union {
#define MESSAGE(name, pattern, topic) struct msg_##name name;
#define FIELD(type, name, sentence)
#define MESSAGE_END(name)
#include "messages.def"
#undef MESSAGE
#undef FIELD
#undef MESSAGE_END
    };
};

const char *msg_name(enum msg_kind kind);
enum msg_pattern msg_pattern(enum msg_kind kind);

/* The topic of an account's messages begins with the account's bucket, so that a SUB can
 * ask for a whole range of accounts by the first digits. */
void msg_topic_account(char out[MSG_TOPIC_BYTES], int64_t account);
void msg_topic_range(char out[MSG_TOPIC_BYTES], int64_t account);
void msg_topic(char out[MSG_TOPIC_BYTES], const struct msg *m);
unsigned msg_range(int64_t account); /* 0 .. MSG_RANGES - 1 */
/* False: a general message's topic. */
bool msg_topic_read(str_t topic, int64_t *account);

/* Writes frame 2 to out and returns its length; SIZE_MAX when room is too small. */
size_t msg_encode(const struct msg *m, char *out, size_t room);

/* RC_INVALID: not one of our messages, RC_LIMIT: too long or too deep. */
enum rc msg_decode(str_t body, struct msg *out) RC_CHECKED;
