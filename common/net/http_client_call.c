/* http_client_call.c - a request for who may wait for its answer.
 */
#include "net/http_client.h"

#include "base/arena.h"

#include <pthread.h>

struct call {
    struct arena *arena;
    struct http_client_answer *out;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over; /* under lock */
};

static void keep(struct arena *a, const struct http_client_answer *from,
                 struct http_client_answer *out)
{
    struct http_client_field *fields =
        arena_array(a, from->header_count + 1, sizeof(*fields));

    *out = *from;
    out->why = arena_cstr(a, str_of(from->why));
    out->body = arena_str(a, from->body);
    out->headers = fields;
    for (size_t i = 0; i < from->header_count; i++)
        fields[i] = (struct http_client_field){ arena_str(a, from->headers[i].name),
                                                arena_str(a, from->headers[i].value) };
}

static void on_called(const struct http_client_answer *answer, void *user)
{
    struct call *call = user;

    pthread_mutex_lock(&call->lock);
    keep(call->arena, answer, call->out);
    call->is_over = true;
    pthread_cond_signal(&call->over);
    pthread_mutex_unlock(&call->lock);
}

/* What never began is told like what ended. */
static void refuse(enum rc rc, struct http_client_answer *out)
{
    *out = (struct http_client_answer){ .rc = rc };
    switch (rc) {
    case RC_INVALID:
        out->fault = HTTP_CLIENT_URL;
        out->why = "this is no request to an http: or https: address";
        break;
    case RC_LIMIT:
        out->fault = HTTP_CLIENT_BUSY;
        out->why = "too many requests are under way";
        break;
    default:
        out->fault = HTTP_CLIENT_CLOSED;
        out->why = "the client is going away";
    }
}

void http_client_call(struct arena *a, struct http_client *c,
                      const struct http_client_request *r, struct http_client_answer *out)
{
    struct call call = { .arena = a,
                         .out = out,
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .over = PTHREAD_COND_INITIALIZER };
    enum rc rc = http_client_start(c, r, on_called, &call, NULL);

    if (rc != RC_OK) {
        refuse(rc, out);
        return;
    }
    /* The request's own deadline ends this. */
    pthread_mutex_lock(&call.lock);
    while (!call.is_over)
        pthread_cond_wait(&call.over, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.over);
    pthread_mutex_destroy(&call.lock);
}
