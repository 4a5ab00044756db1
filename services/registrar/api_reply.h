/* api_reply.h - what the admin API answers: JSON, and errors of one shape.
 *
 * An error is {"code": a stable word for programs, "message": what to do, for people}.
 * Nothing that a client sent is repeated in it.
 * Thread: the exchange's.
 */
#pragma once

#include "base/rc.h"
#include "base/str.h"

struct http_exchange;

enum { API_REPLY_MAX_BYTES = 256 * 1024 };

void api_reply(struct http_exchange *x, int status, str_t json);

void api_reply_error(struct http_exchange *x, int status, const char *code,
                     const char *message);
/* With the code and, unless there is a message, the sentence of this status. */
void api_reply_status(struct http_exchange *x, int status, const char *message);
/* The same for an outcome that is none of the client's. */
void api_reply_rc(struct http_exchange *x, enum rc rc);
/* 503 or 429, and when to come again. */
void api_reply_later(struct http_exchange *x, int status, unsigned seconds,
                     const char *message);
