/* http_client.c - libcurl's multi interface, driven by one thread.
 *
 * A transfer is made in the thread of whoever asks, put into a list, and belongs to the
 * client's thread once that has taken it from there; in which list it is and whether
 * somebody is told is under the lock.
 *
 * Limits: names are resolved by the system's resolver in threads of libcurl's, once a
 * minute; who asks before the first answer is there asks in a thread of its own.  One
 * that is silent may outlive the deadline of its request, but nobody waits for it.  Their
 * number is not bounded by requests_max then, but by how often somebody asks within the
 * time that the resolver takes to give up (resolv.conf: timeout and attempts).
 */
#include "net/http_client_private.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/destination_guard.h"

#include <pthread.h>
#include <stdlib.h>

enum { DEFAULT_REQUESTS = 256 };

static const struct {
    enum rc rc;
    const char *why;
} faults[HTTP_CLIENT_FAULTS] = {
    [HTTP_CLIENT_FINE] = { RC_OK, "" },
    [HTTP_CLIENT_URL] = { RC_INVALID, "this is no http: or https: address" },
    [HTTP_CLIENT_NAME] = { RC_RETRY, "the host's name is not known" },
    [HTTP_CLIENT_CONNECT] = { RC_RETRY, "nobody answers there" },
    [HTTP_CLIENT_FORBIDDEN] = { RC_DENIED, "the host has no address that is permitted" },
    [HTTP_CLIENT_CERTIFICATE] = { RC_DENIED, "the certificate cannot be trusted" },
    [HTTP_CLIENT_CA_FILE] = { RC_INVALID, "the file of authorities cannot be read" },
    [HTTP_CLIENT_BROKEN] = { RC_RETRY, "the connection broke" },
    [HTTP_CLIENT_TOO_LARGE] = { RC_LIMIT, "the answer is too large" },
    [HTTP_CLIENT_REDIRECTS] = { RC_LIMIT, "the answer leads elsewhere" },
    [HTTP_CLIENT_LATE] = { RC_TIMEOUT, "the answer did not come in time" },
    [HTTP_CLIENT_CLOSED] = { RC_CLOSED, "the client is going away" },
};

static void link_to(struct transfer **list, struct transfer *t)
{
    t->next = *list;
    t->link = list;
    if (t->next != NULL)
        t->next->link = &t->next;
    *list = t;
}

static void unlink_from(struct transfer *t)
{
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
}

/* --- the client's thread --------------------------------------------------------------
 */

/* It is over.  True: and somebody waits for word. */
static bool begin_telling(struct transfer *t)
{
    struct http_client *c = t->client;
    bool is_awaited;

    pthread_mutex_lock(&c->lock);
    unlink_from(t);
    map_set(c->known, t->id, NULL);
    c->under_way--;
    is_awaited = t->done != NULL;
    c->telling = is_awaited ? t->id : 0;
    pthread_mutex_unlock(&c->lock);
    return is_awaited;
}

static void end_telling(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->telling = 0;
    pthread_cond_broadcast(&c->told);
    pthread_mutex_unlock(&c->lock);
}

static void finish(struct transfer *t, enum http_client_fault fault)
{
    struct http_client *c = t->client;
    struct http_client_answer answer = { .rc = faults[fault].rc, .fault = fault };
    bool telling = fault == HTTP_CLIENT_BROKEN || fault == HTTP_CLIENT_CERTIFICATE;
    long status = 0;

    answer.why = telling && t->why[0] != '\0' ? t->why : faults[fault].why;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (fault == HTTP_CLIENT_FINE) {
        answer.status = (int)status;
        answer.body = buf_str(&t->body);
        answer.headers = t->fields;
        answer.header_count = t->field_count;
    }
    curl_multi_remove_handle(c->multi, t->easy);
    if (begin_telling(t)) {
        t->done(&answer, t->user);
        end_telling(c);
    }
    http_client_transfer_free(t);
}

static struct transfer *take_arriving(struct http_client *c)
{
    struct transfer *t;

    pthread_mutex_lock(&c->lock);
    t = c->arriving;
    if (t != NULL) {
        unlink_from(t);
        link_to(&c->running, t);
        t->has_arrived = true;
    }
    pthread_mutex_unlock(&c->lock);
    return t;
}

static void run_what_arrives(struct http_client *c)
{
    struct transfer *t;

    while ((t = take_arriving(c)) != NULL)
        CHECK(curl_multi_add_handle(c->multi, t->easy) == CURLM_OK);
}

static struct transfer *first_of(struct http_client *c, struct transfer *const *list)
{
    struct transfer *t;

    pthread_mutex_lock(&c->lock);
    t = *list;
    pthread_mutex_unlock(&c->lock);
    return t;
}

static void finish_all(struct http_client *c, struct transfer *const *list)
{
    struct transfer *t;

    while ((t = first_of(c, list)) != NULL)
        finish(t, HTTP_CLIENT_CLOSED);
}

static void finish_what_is_over(struct http_client *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
        CURLcode code = m->data.result;
        struct transfer *t = NULL;

        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, http_client_transfer_fault(t, code));
    }
}

static bool is_closing(struct http_client *c)
{
    bool yes;

    pthread_mutex_lock(&c->lock);
    yes = c->closing;
    pthread_mutex_unlock(&c->lock);
    return yes;
}

static void *thread_main(void *arg)
{
    struct http_client *c = arg;

    while (!is_closing(c)) {
        http_client_events_turn(&c->events);
        run_what_arrives(c);
        finish_all(c, &c->forgotten);
        finish_what_is_over(c);
    }
    run_what_arrives(c);
    finish_all(c, &c->forgotten);
    finish_all(c, &c->running);
    return NULL;
}

/* --- public ---------------------------------------------------------------------------
 */

static void start_library(void)
{
    unsetenv("SSLKEYLOGFILE"); /* libcurl reads it here, and would write TLS keys there */
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* Those in use are counted, too: with fewer places to keep them in, none would be used
 * again while many requests are under way. */
static void keep_connections(struct http_client *c)
{
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->requests_max);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->requests_max);
}

struct http_client *http_client_new(const struct http_client_options *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http_client *c = mem_alloc(sizeof(*c));

    pthread_once(&once, start_library);
    c->reach = o->reach;
    c->requests_max = o->requests_max > 0 ? o->requests_max : DEFAULT_REQUESTS;
    c->ca_file = o->ca_file == NULL ? NULL : mem_cstr(o->ca_file, str_of(o->ca_file).n);
    c->guard = destination_guard_new(false);
    c->multi = curl_multi_init();
    CHECK(c->multi != NULL);
    keep_connections(c);
    http_client_events_init(&c->events, c->multi);
    c->known = map_new();
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->told, NULL);
    CHECK(pthread_create(&c->thread, NULL, thread_main, c) == 0);
    pthread_setname_np(c->thread, "http-client");
    return c;
}

void http_client_free(struct http_client **client)
{
    struct http_client *c = *client;

    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_mutex_unlock(&c->lock);
    http_client_events_wake(&c->events);
    pthread_join(c->thread, NULL);
    curl_multi_cleanup(c->multi);
    http_client_events_fini(&c->events);
    map_free(&c->known);
    destination_guard_free(&c->guard);
    pthread_cond_destroy(&c->told);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->ca_file);
    mem_free(c);
    *client = NULL;
}

enum rc http_client_start(struct http_client *c, const struct http_client_request *r,
                          http_client_done_fn done, void *user, uint64_t *request)
{
    struct transfer *t;
    enum rc rc = RC_OK;

    if (!http_client_is_request(r))
        return RC_INVALID;
    t = http_client_transfer_new(c, r);
    t->done = done;
    t->user = user;
    pthread_mutex_lock(&c->lock);
    if (c->closing)
        rc = RC_CLOSED;
    else if (c->under_way == c->requests_max)
        rc = RC_LIMIT;
    else {
        c->under_way++;
        t->id = ++c->last_id;
        if (request != NULL)
            *request = t->id;
        link_to(&c->arriving, t);
        map_set(c->known, t->id, t);
    }
    pthread_mutex_unlock(&c->lock);
    if (rc != RC_OK)
        http_client_transfer_free(t);
    else
        http_client_events_wake(&c->events);
    return rc;
}

void http_client_forget(struct http_client *c, uint64_t request)
{
    struct transfer *t;
    bool is_running;

    CHECK(!pthread_equal(pthread_self(), c->thread));
    pthread_mutex_lock(&c->lock);
    t = request != 0 ? map_get(c->known, request) : NULL;
    is_running = t != NULL && t->has_arrived;
    if (t != NULL) {
        unlink_from(t);
        map_set(c->known, request, NULL);
        t->done = NULL;
    }
    if (is_running)
        link_to(&c->forgotten, t);
    else if (t != NULL)
        c->under_way--;
    while (request != 0 && c->telling == request)
        pthread_cond_wait(&c->told, &c->lock);
    pthread_mutex_unlock(&c->lock);
    if (is_running)
        http_client_events_wake(&c->events);
    else if (t != NULL)
        http_client_transfer_free(t);
}

str_t http_client_header(const struct http_client_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (str_eq_nocase(answer->headers[i].name, str_of(name)))
            return answer->headers[i].value;
    return S("");
}
