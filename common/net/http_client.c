/* http_client.c - one easy handle per request: these are rare, and nothing is shared. */
#include "net/http_client.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_once(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static size_t on_body(char *p, size_t size, size_t count, void *user)
{
    struct buf *body = user;

    /* Fewer bytes than offered makes curl end the transfer. */
    return buf_append(body, p, size * count) == RC_OK ? size * count : 0;
}

/* NULL is an empty list and is fine. */
static struct curl_slist *append_all(const char *const *lines)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
        list = curl_slist_append(list, lines[i]);
    /* curl asks "Expect: 100-continue" for larger bodies and then waits a second. */
    return curl_slist_append(list, "Expect:");
}

static void set_safety(CURL *h, const struct http_client_request *r)
{
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, r->allow_http ? "http,https" : "https");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)deadline_left_ms(r->until) + 1);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    if (r->ca_file != NULL && r->ca_file[0] != '\0')
        curl_easy_setopt(h, CURLOPT_CAINFO, r->ca_file);
}

static void set_request(CURL *h, const struct http_client_request *r,
                        struct curl_slist *headers, struct curl_slist *resolve)
{
    curl_easy_setopt(h, CURLOPT_URL, r->url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_RESOLVE, resolve);
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static enum rc rc_of(CURLcode code, const struct buf *body)
{
    switch (code) {
    case CURLE_OK:
        return RC_OK;
    case CURLE_WRITE_ERROR:
        return body->full ? RC_LIMIT : RC_RETRY;
    case CURLE_FILESIZE_EXCEEDED:
        return RC_LIMIT;
    case CURLE_OPERATION_TIMEDOUT:
        return RC_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return RC_DENIED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return RC_INVALID;
    default:
        return RC_RETRY;
    }
}

static void read_answer(CURL *h, struct arena *a, const struct buf *body,
                        struct http_client_response *out)
{
    char *type = NULL;
    long status = 0;

    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    out->status = (int)status;
    out->content_type = arena_str(a, str_of(type));
    out->body = buf_str(body);
}

enum rc http_client_perform(struct arena *a, const struct http_client_request *r,
                            struct http_client_response *out)
{
    struct buf *body = arena_buf(a, r->max_bytes);
    struct curl_slist *headers = append_all(r->headers), *resolve = NULL;
    enum rc rc;
    CURL *h;

    pthread_once(&once, init_once);
    *out = (struct http_client_response){ 0 };
    h = curl_easy_init();
    CHECK(h != NULL);
    if (r->resolve_to != NULL)
        resolve = curl_slist_append(NULL, r->resolve_to);
    set_safety(h, r);
    set_request(h, r, headers, resolve);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, body);
    rc = rc_of(curl_easy_perform(h), body);
    if (rc == RC_OK)
        read_answer(h, a, body, out);
    curl_easy_cleanup(h);
    curl_slist_free_all(headers);
    curl_slist_free_all(resolve);
    return rc;
}
