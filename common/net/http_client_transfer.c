/* http_client_transfer.c - one request: what is asked of libcurl, what it may do
 * meanwhile, and what its end means.
 */
#include "net/http_client_private.h"

#include "base/arena.h"
#include "base/log.h"
#include "net/addr.h"
#include "net/cidr.h"
#include "net/destination_guard.h"

#include <sys/socket.h>

void http_client_transfer_free(struct transfer *t)
{
    struct arena *a = t->arena;

    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    buf_fini(&t->body);
    arena_free(&a);
}

/* --- what libcurl asks while it works: the client's thread ----------------------------
 */

static bool is_permitted(const struct http_client *c, const struct addr *to)
{
    switch (c->reach) {
    case HTTP_CLIENT_PUBLIC:
        return destination_guard_permits(c->guard, to);
    case HTTP_CLIENT_PRIVATE:
        return cidr_is_private(to);
    case HTTP_CLIENT_ANY:
        return true;
    }
    return false;
}

static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct transfer *t = user;
    struct addr to;

    if (purpose != CURLSOCKTYPE_IPCXN || !addr_from_sockaddr(&at->addr, at->addrlen, &to))
        return CURL_SOCKET_BAD;
    if (!is_permitted(t->client, &to)) {
        t->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    t->tried = true;
    return socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
}

static bool is_secure(const char *url)
{
    return str_starts_nocase(str_of(url), S("https://"));
}

/* Before each request, also those of redirects: from https on there is nothing else. */
static int on_ready(void *user, char *peer, char *own, int peer_port, int own_port)
{
    struct transfer *t = user;
    char *url = NULL;

    (void)peer, (void)own, (void)peer_port, (void)own_port;
    curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (url == NULL ||
        (is_secure(url) &&
         curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "https") != CURLE_OK))
        return CURL_PREREQFUNC_ABORT;
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *p, size_t one, size_t n, void *user)
{
    struct transfer *t = user;

    if (buf_append(&t->body, p, one * n) == RC_OK)
        return one * n;
    t->too_large = true;
    return 0;
}

static size_t on_header(char *p, size_t one, size_t n, void *user)
{
    struct transfer *t = user;
    str_t line = str_n(p, one * n), name;
    bool begins = str_starts(line, S("HTTP/")); /* an answer, or a redirect's, or 100 */
    bool is_field = !begins && str_find_char(line, ':') != SIZE_MAX;

    t->header_bytes += line.n;
    if (begins) {
        t->field_count = 0;
        t->forbidden = t->tried = false;
    }
    t->too_large = t->header_bytes > HTTP_CLIENT_HEADER_BYTES_MAX ||
                   (is_field && t->field_count == HTTP_CLIENT_HEADERS_MAX);
    if (t->too_large)
        return 0;
    if (!is_field)
        return one * n;
    line = arena_str(t->arena, line);
    str_split(&line, ':', &name);
    t->fields[t->field_count++] =
        (struct http_client_field){ str_trim(name), str_trim(line) };
    return one * n;
}

/* --- setting a request up: the caller's thread ----------------------------------------
 */

static bool is_method(const char *text)
{
    size_t n = 0;

    while (text[n] >= 'A' && text[n] <= 'Z')
        n++;
    return n > 0 && n < 32 && text[n] == '\0';
}

/* Nothing that would end the line, or the name. */
static bool is_header(const struct http_client_header *h)
{
    str_t name = str_of(h->name), value = str_of(h->value);

    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] == ':' || name.p[i] >= 127)
            return false;
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 127)
            return false;
    return name.n > 0;
}

static bool is_url(const char *url)
{
    return (is_secure(url) || str_starts_nocase(str_of(url), S("http://"))) &&
           str_of(url).n <= HTTP_CLIENT_URL_MAX_BYTES;
}

bool http_client_is_request(const struct http_client_request *r)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (!is_header(&r->headers[i]))
            return false;
    return (r->method == NULL || is_method(r->method)) && is_url(r->url) &&
           r->deadline_ms > 0 && r->deadline_ms <= HTTP_CLIENT_DEADLINE_MAX_MS;
}

static void add_header(struct transfer *t, const char *line)
{
    t->headers = curl_slist_append(t->headers, line);
    CHECK(t->headers != NULL);
}

static void set_headers(struct transfer *t, const struct http_client_request *r)
{
    add_header(t, "Expect:"); /* libcurl would wait a second for some servers */
    add_header(t, "Content-Type:");
    for (size_t i = 0; i < r->header_count; i++)
        add_header(t, arena_printf(t->arena,
                                   r->headers[i].value[0] == '\0' ? "%s;%s" : "%s: %s",
                                   r->headers[i].name, r->headers[i].value));
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(struct transfer *t, const struct http_client_request *r)
{
    str_t method = str_of(r->method == NULL ? "GET" : r->method);
    bool get = str_eq(method, S("GET")), head = str_eq(method, S("HEAD"));

    if (head)
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    else if (!get || r->body.n > 0) {
        str_t body = arena_str(t->arena, r->body);

        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body.n > 0 ? body.p : "");
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, arena_cstr(t->arena, method));
    }
    /* Whether another method or a body goes along depends on the status: nobody asks for
     * that. */
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION,
                     (get || head) && r->redirects_max > 0 ? 1L : 0L);
    curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, (long)r->redirects_max);
}

static void set_limits(struct transfer *t, const struct http_client_request *r)
{
    curl_off_t max = (curl_off_t)r->answer_max_bytes;

    buf_init(&t->body, r->answer_max_bytes);
    t->fields = arena_array(t->arena, HTTP_CLIENT_HEADERS_MAX, sizeof(*t->fields));
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)r->deadline_ms);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->deadline_ms);
    curl_easy_setopt(t->easy, CURLOPT_MAXFILESIZE_LARGE, max); /* 0: no limit, see body */
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    /* Else the end of a request waits for a resolver that is silent, and all others with
     * it. */
    curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
}

static void set_tls(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (t->client->ca_file == NULL)
        return;
    curl_easy_setopt(t->easy, CURLOPT_CAINFO, t->client->ca_file);
    curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
}

static void set_callbacks(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
}

struct transfer *http_client_transfer_new(struct http_client *c,
                                          const struct http_client_request *r)
{
    struct arena *a = arena_new();
    struct transfer *t = arena_alloc(a, sizeof(*t));

    t->arena = a;
    t->client = c;
    t->easy = curl_easy_init();
    CHECK(t->easy != NULL);
    CHECK(curl_easy_setopt(t->easy, CURLOPT_URL, r->url) == CURLE_OK);
    curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L); /* ".." may be somebody's name */
    set_callbacks(t);
    set_limits(t, r);
    set_tls(t);
    set_headers(t, r);
    set_method(t, r);
    return t;
}

/* --- how it ended: the client's thread ------------------------------------------------
 */

enum http_client_fault http_client_transfer_fault(const struct transfer *t, CURLcode code)
{
    long status = 0, port = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
    if (t->too_large)
        return HTTP_CLIENT_TOO_LARGE;
    switch (code) {
    case CURLE_OK:
        return HTTP_CLIENT_FINE;
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED: /* a user in the address */
        return HTTP_CLIENT_URL;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the address, or what a server speaks */
        if (status != 0)
            return HTTP_CLIENT_REDIRECTS;
        return port != 0 ? HTTP_CLIENT_BROKEN : HTTP_CLIENT_URL;
    case CURLE_TOO_MANY_REDIRECTS:
        return HTTP_CLIENT_REDIRECTS;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_CLIENT_NAME;
    case CURLE_COULDNT_CONNECT:
        return t->forbidden && !t->tried ? HTTP_CLIENT_FORBIDDEN : HTTP_CLIENT_CONNECT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_CLIENT_CERTIFICATE;
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_CLIENT_CA_FILE;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_CLIENT_TOO_LARGE;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_CLIENT_LATE;
    default:
        return HTTP_CLIENT_BROKEN;
    }
}
