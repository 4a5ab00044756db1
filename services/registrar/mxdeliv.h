/* mxdeliv.h - who may deliver over HTTPS at this moment, and the threads that carry it.
 *
 * A pool of its own: while all of it is busy, pages and the API answer as ever.
 * Thread: any, but new and free.
 */
#pragma once

#include "base/clock.h"
#include "mxdeliv_form.h"

#include <stdbool.h>
#include <stdint.h>

struct http_exchange;
struct mxdeliv;
struct options;
struct web;

struct mxdeliv *mxdeliv_new(const struct options *o); /* NULL: not wanted here */
bool mxdeliv_is_idle(struct mxdeliv *m);
void mxdeliv_free(struct mxdeliv **m); /* after the server; waits for what is carried */

/* For the head of a request: true when it may come.  Then exactly one mxdeliv_take, or
 * mxdeliv_leave; false: the refusal stands in the response. */
bool mxdeliv_admits(struct mxdeliv *m, struct http_exchange *x);
void mxdeliv_leave(struct mxdeliv *m, const struct http_exchange *x);

/* Takes the body, and answers. */
void mxdeliv_take(const struct web *web, struct http_exchange *x,
                  const struct mxdeliv_form *form, uint64_t body_bytes);
uint64_t mxdeliv_body_max(const struct mxdeliv *m);
