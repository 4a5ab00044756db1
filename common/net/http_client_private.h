/* http_client_private.h - what the files of http_client.h share: http_client.c (the
 * client, its thread, who is told), http_client_events.c (what the thread waits for) and
 * http_client_transfer.c (one request, from what is asked for to what went wrong). Nobody
 * else. */
#pragma once

#include "base/buf.h"
#include "base/deadline.h"
#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>

struct destination_guard;
struct map;

/* Owned by the client's thread, but for the bell. */
struct http_client_events {
    CURLM *multi;
    int epoll; /* the sockets of libcurl's, and the bell */
    int bell;  /* wakes the thread */
    bool is_timed;
    struct deadline due; /* is_timed: when libcurl wants its turn without news */
};

struct http_client {
    enum http_client_reach reach;
    char *ca_file;
    unsigned requests_max;
    struct destination_guard *guard;
    CURLM *multi;
    struct http_client_events events;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t told;
    /* Under lock.  Those forgotten wait for the thread to end them. */
    struct transfer *arriving, *running, *forgotten;
    struct map *known; /* by id: those that arrive or run */
    unsigned under_way;
    uint64_t last_id, telling; /* whose done is being called; 0: nobody's */
    bool closing;
};

struct transfer {
    struct http_client *client;
    struct arena *arena;
    CURL *easy;
    struct curl_slist *headers;
    uint64_t id;
    http_client_done_fn done; /* under lock; NULL: forgotten */
    void *user;
    struct buf body;
    struct http_client_field *fields;
    size_t field_count, header_bytes;
    bool too_large;
    bool forbidden, tried; /* since the last answer: addresses out of reach, within it */
    char why[CURL_ERROR_SIZE];
    bool has_arrived;              /* under lock, as are these two */
    struct transfer *next, **link; /* in a list of the client's */
};

/* In the caller's thread; the request is copied. */
bool http_client_is_request(const struct http_client_request *r);
struct transfer *http_client_transfer_new(struct http_client *c,
                                          const struct http_client_request *r);
void http_client_transfer_free(struct transfer *t);

/* In the client's thread, of a transfer that libcurl has ended with that code. */
enum http_client_fault http_client_transfer_fault(const struct transfer *t,
                                                  CURLcode code);

/* Before the thread begins, and after it has ended and multi is no more. */
void http_client_events_init(struct http_client_events *e, CURLM *multi);
void http_client_events_fini(struct http_client_events *e);

void http_client_events_wake(struct http_client_events *e); /* any thread */

/* In the client's thread: waits for news, a second at most, and lets libcurl act on it.
 */
void http_client_events_turn(struct http_client_events *e);
