/* http_server.c - libmicrohttpd behind a request, an answer and one handler.
 *
 * An exchange is made when the request line is read and freed when the connection is
 * done with it.  A handler that has not finished when it returns leaves the connection
 * suspended; `state` decides who of the two threads wakes it.
 */
#include "net/http_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/forwarded.h"
#include "net/cidr.h"
#include "net/http_stream.h"
#include "net/listen_socket.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTION_MEMORY_BYTES = 64 * 1024,
    FORWARDED_MAX_BYTES = 8 * 1024,
    DEFAULT_THREADS = 2,
    DEFAULT_CONNECTIONS = 1000,
    DEFAULT_IDLE_SECONDS = 30,
    DEFAULT_BODY_BYTES = 64 * 1024,
};

enum exchange_state {
    EXCHANGE_READING,   /* the body is on its way */
    EXCHANGE_HANDLED,   /* the handler runs, or left the exchange to a worker */
    EXCHANGE_SUSPENDED, /* the connection sleeps until http_server_finish */
    EXCHANGE_FINISHED,
};

struct exchange {
    struct http_exchange public; /* first: one pointer is both */
    struct http_server *server;
    struct MHD_Connection *connection;
    struct buf *body;
    struct http_stream *stream; /* who takes the body instead; NULL: nobody */
    int refuse_with;            /* a status, or 0 */
    _Atomic int state;
};

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    uint16_t port;
    int listening_fd; /* -1: none */
    bool quiesced;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    size_t handled; /* under lock: exchanges between handler and finish */
    bool closing;   /* under lock */
};

/* Reading a request. */

/* "*400/path": what http_framer makes of a request that is none.  The path is left. */
static int status_to_refuse_with(str_t *path)
{
    uint64_t status;

    if (path->n < 5 || path->p[0] != '*' || path->p[4] != '/' ||
        !str_to_u64(str_n(path->p + 1, 3), 599, &status))
        return 0;
    *path = str_skip(*path, 4);
    return (int)status;
}

/* The first thing that happens to a request: its target, before it is decoded. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    struct arena *a = arena_new();
    struct exchange *x = arena_alloc(a, sizeof(*x));
    str_t rest = arena_str(a, str_of(target));

    x->server = s;
    x->connection = connection;
    x->public.arena = a;
    x->public.user = s->options.user;
    x->public.response.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    x->body = arena_buf(a, s->options.body_max_bytes);
    str_split(&rest, '?', &x->public.request.path);
    x->public.request.query = rest;
    x->refuse_with = status_to_refuse_with(&x->public.request.path);
    return x;
}

static size_t keep_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

struct header_lines {
    const char *name;
    struct buf *out;
};

static enum MHD_Result join_line(void *cls, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct header_lines *lines = cls;

    (void)kind;
    if (value == NULL || !str_eq_nocase(str_of(name), str_of(lines->name)))
        return MHD_YES;
    if (lines->out->n > 0)
        buf_putc(lines->out, ',');
    buf_puts(lines->out, value);
    return MHD_YES;
}

static str_t all_lines(struct exchange *x, const char *name)
{
    struct header_lines lines = { name, arena_buf(x->public.arena, FORWARDED_MAX_BYTES) };

    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, join_line, &lines);
    return lines.out->full ? str_n(NULL, 0) : buf_str(lines.out);
}

static bool is_socket_pair(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    socklen_t n = sizeof(int);
    int domain = 0;

    return info != NULL &&
           getsockopt(info->connect_fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
           domain == AF_UNIX;
}

static void set_client(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct cidr_list *trusted = x->server->options.trusted_proxies;
    struct http_request *r = &x->public.request;

    if (info != NULL && info->client_addr != NULL)
        addr_from_sockaddr(info->client_addr,
                           info->client_addr->sa_family == AF_INET
                               ? sizeof(struct sockaddr_in)
                               : sizeof(struct sockaddr_in6),
                           &r->client);
    r->https = !x->server->options.adopts_plain && is_socket_pair(x->connection);
    if (!cidr_list_has(trusted, &r->client))
        return;
    if (str_eq_nocase(http_server_header(&x->public, "X-Forwarded-Proto"), S("https")))
        r->https = true;
    r->client = forwarded_client(trusted, &r->client, all_lines(x, "X-Forwarded-For"),
                                 all_lines(x, "Forwarded"));
}

/* Answering. */

static struct MHD_Response *make_response(const struct http_response *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        r->body.n, (void *)(uintptr_t)r->body.p, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return NULL;
    if (r->content_type != NULL)
        MHD_add_response_header(response, "Content-Type", r->content_type);
    for (size_t i = 0; i < r->header_count; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    return response;
}

static enum MHD_Result answer(struct exchange *x)
{
    struct MHD_Response *response = make_response(&x->public.response);
    enum MHD_Result result = MHD_NO;

    if (response != NULL) {
        result = MHD_queue_response(x->connection, (unsigned)x->public.response.status,
                                    response);
        MHD_destroy_response(response); /* the connection holds its own reference */
    }
    return result;
}

static void refuse_in_plain_text(struct http_exchange *x)
{
    str_t text = x->response.status == MHD_HTTP_CONTENT_TOO_LARGE
                     ? S("the request is too large\n")
                     : S("this is not a proper request\n");

    http_server_reply(x, x->response.status, "text/plain", text);
    http_server_finish(x);
}

static bool announces_too_much(struct exchange *x)
{
    str_t length = http_server_header(&x->public, "Content-Length");
    uint64_t n;

    return length.n > 0 && !str_to_u64(length, x->server->options.body_max_bytes, &n);
}

static void count_handled(struct http_server *s, bool more)
{
    pthread_mutex_lock(&s->lock);
    s->handled += more ? 1 : (size_t)-1;
    if (s->handled == 0)
        pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* The handler returned without an answer: sleep, unless it came at this very moment. */
static enum MHD_Result suspend(struct exchange *x)
{
    int expected = EXCHANGE_HANDLED;

    MHD_suspend_connection(x->connection);
    if (!atomic_compare_exchange_strong(&x->state, &expected, EXCHANGE_SUSPENDED))
        MHD_resume_connection(x->connection);
    return MHD_YES;
}

static enum MHD_Result run(struct exchange *x, str_t body, http_handler_fn handler)
{
    x->public.request.body = body;
    atomic_store(&x->state, EXCHANGE_HANDLED);
    count_handled(x->server, true);
    handler(&x->public);
    if (atomic_load(&x->state) == EXCHANGE_FINISHED)
        return answer(x);
    return suspend(x);
}

static enum MHD_Result handle(struct exchange *x)
{
    return run(x, buf_str(x->body), x->server->options.handler);
}

static enum MHD_Result refuse(struct exchange *x, int status)
{
    x->public.response.status = status;
    return run(x, S(""), x->server->options.refuse);
}

/* True: it is answered, or its body is a stream from now on. */
static bool head_sufficed(struct exchange *x)
{
    if (x->server->options.head == NULL)
        return false;
    atomic_store(&x->state, EXCHANGE_HANDLED);
    count_handled(x->server, true);
    x->server->options.head(&x->public);
    if (atomic_load(&x->state) == EXCHANGE_FINISHED)
        return true;
    atomic_store(&x->state, EXCHANGE_READING);
    count_handled(x->server, false);
    return x->stream != NULL;
}

static enum MHD_Result begin(struct exchange *x, const char *method)
{
    x->public.request.method = arena_str(x->public.arena, str_of(method));
    set_client(x);
    if (x->refuse_with != 0)
        return refuse(x, x->refuse_with);
    if (head_sufficed(x))
        return x->stream != NULL ? MHD_YES : answer(x);
    if (announces_too_much(x))
        return refuse(x, MHD_HTTP_CONTENT_TOO_LARGE);
    return MHD_YES;
}

static enum MHD_Result stream_on(struct exchange *x, const char *upload,
                                 size_t *upload_bytes)
{
    size_t taken;

    if (*upload_bytes == 0)
        return http_stream_end(x->stream) ? answer(x) : MHD_YES;
    if (http_stream_put(x->stream, str_n(upload, *upload_bytes), &taken) != RC_OK)
        return MHD_NO;
    *upload_bytes -= taken;
    return MHD_YES;
}

/* Called with the header, then for each piece of the body, then at its end, and again
 * after a suspended connection was woken. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection,
                                 const char *url, const char *method, const char *version,
                                 const char *upload, size_t *upload_bytes, void **con_cls)
{
    struct exchange *x = *con_cls;

    (void)cls;
    (void)connection;
    (void)url;
    (void)version;
    if (atomic_load(&x->state) == EXCHANGE_FINISHED)
        return answer(x);
    if (x->public.request.method.p == NULL)
        return begin(x, method);
    if (x->stream != NULL)
        return stream_on(x, upload, upload_bytes);
    if (*upload_bytes > 0) {
        buf_append(x->body, upload, *upload_bytes); /* too much is seen at the end */
        *upload_bytes = 0;
        return MHD_YES;
    }
    return x->body->full ? refuse(x, MHD_HTTP_CONTENT_TOO_LARGE) : handle(x);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *con_cls;
    struct arena *a;

    (void)cls;
    (void)connection;
    (void)why;
    if (x == NULL)
        return;
    if (x->stream != NULL) {
        http_stream_gone(x->stream);
        http_stream_drop(&x->stream);
    }
    a = x->public.arena;
    arena_free(&a);
    *con_cls = NULL;
}

/* Public. */

static void set_defaults(struct http_server_options *o)
{
    if (o->threads == 0)
        o->threads = DEFAULT_THREADS;
    if (o->max_connections == 0)
        o->max_connections = DEFAULT_CONNECTIONS;
    if (o->idle_seconds == 0)
        o->idle_seconds = DEFAULT_IDLE_SECONDS;
    if (o->body_max_bytes == 0)
        o->body_max_bytes = DEFAULT_BODY_BYTES;
    if (o->refuse == NULL)
        o->refuse = refuse_in_plain_text;
    if (o->max_connections < o->threads) /* the limit is divided among the threads */
        o->max_connections = o->threads;
}

static enum rc start_daemon(struct http_server *s, int fd)
{
    const struct http_server_options *o = &s->options;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem more[3] = { { MHD_OPTION_END, 0, NULL } };
    size_t n = 0;

    if (o->threads > 1)
        more[n++] =
            (struct MHD_OptionItem){ MHD_OPTION_THREAD_POOL_SIZE, o->threads, NULL };
    if (fd >= 0)
        more[n++] = (struct MHD_OptionItem){ MHD_OPTION_LISTEN_SOCKET, fd, NULL };
    else
        flags |= MHD_USE_NO_LISTEN_SOCKET;
    more[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, o->idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    return s->daemon != NULL ? RC_OK : RC_INVALID;
}

enum rc http_server_new(const struct http_server_options *o, struct http_server **out)
{
    struct http_server *s = mem_alloc(sizeof(*s));
    enum rc rc = RC_OK;
    int fd = -1;

    s->options = *o;
    set_defaults(&s->options);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    if (o->port != NULL) {
        struct listen_socket_options at = { .address = o->address,
                                            .ipv4_only = o->ipv4_only,
                                            .port = *o->port };

        rc = listen_socket_open(&at, &fd, &s->port);
    }
    if (rc == RC_OK)
        rc = start_daemon(s, fd);
    if (rc != RC_OK) {
        if (fd >= 0)
            close(fd);
        pthread_cond_destroy(&s->idle);
        pthread_mutex_destroy(&s->lock);
        mem_free(s);
        return rc;
    }
    s->listening_fd = fd;
    *out = s;
    return RC_OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_stop_listening(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    /* Its number is given back when the threads that may be in accept() have ended. */
    if (s->listening_fd < 0 || s->quiesced)
        return;
    MHD_quiesce_daemon(s->daemon);
    shutdown(s->listening_fd, SHUT_RDWR);
    s->quiesced = true;
}

void http_server_free(struct http_server **server)
{
    struct http_server *s = *server;

    if (s == NULL)
        return;
    http_server_stop_listening(s);
    pthread_mutex_lock(&s->lock);
    while (s->handled > 0)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    MHD_stop_daemon(s->daemon);
    if (s->listening_fd >= 0)
        close(s->listening_fd);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
    *server = NULL;
}

enum rc http_server_adopt(struct http_server *s, int fd, const struct addr *client)
{
    struct sockaddr_storage sa;
    socklen_t n = addr_to_sockaddr(client, &sa);
    bool closing;

    pthread_mutex_lock(&s->lock);
    closing = s->closing;
    pthread_mutex_unlock(&s->lock);
    if (closing) {
        close(fd);
        return RC_CLOSED;
    }
    /* On failure the library has closed the socket. */
    return MHD_add_connection(s->daemon, fd, (struct sockaddr *)&sa, n) == MHD_YES
               ? RC_OK
               : RC_LIMIT;
}

str_t http_server_header(const struct http_exchange *public, const char *name)
{
    const struct exchange *x = (const struct exchange *)public;

    return str_of(MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name));
}

struct all_values {
    const char *name;
    str_t *out;
    size_t room, count;
};

static enum MHD_Result note_value(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct all_values *all = cls;

    (void)kind;
    if (!str_eq_nocase(str_of(name), str_of(all->name)))
        return MHD_YES;
    if (all->count < all->room)
        all->out[all->count] = str_of(value);
    all->count++;
    return MHD_YES;
}

size_t http_server_headers(const struct http_exchange *public, const char *name,
                           str_t *out, size_t room)
{
    const struct exchange *x = (const struct exchange *)public;
    struct all_values all = { .name = name, .out = out, .room = room };

    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, note_value, &all);
    return all.count;
}

static void put_to_sleep(void *connection)
{
    MHD_suspend_connection(connection);
}

static void wake_up(void *connection)
{
    MHD_resume_connection(connection);
}

struct http_stream *http_server_stream(struct http_exchange *public,
                                       const struct http_stream_options *o)
{
    struct exchange *x = (struct exchange *)public;
    struct http_stream_valve valve = { put_to_sleep, wake_up, x->connection, public };

    CHECK(x->stream == NULL && atomic_load(&x->state) == EXCHANGE_HANDLED);
    x->stream = http_stream_new(o, &valve);
    return x->stream;
}

bool http_server_is_stream(const struct http_exchange *public)
{
    return ((const struct exchange *)public)->stream != NULL;
}

void http_server_reply(struct http_exchange *x, int status, const char *content_type,
                       str_t body)
{
    x->response.status = status;
    x->response.content_type = content_type;
    x->response.body = body;
}

void http_server_add_header(struct http_exchange *x, const char *name, const char *value)
{
    CHECK(x->response.header_count < HTTP_HEADERS_MAX);
    x->response.headers[x->response.header_count++] = (struct http_header){ name, value };
}

void http_server_finish(struct http_exchange *public)
{
    struct exchange *x = (struct exchange *)public;
    struct http_server *s = x->server;
    struct MHD_Connection *connection = x->connection;
    int before = atomic_exchange(&x->state, EXCHANGE_FINISHED);

    /* x may be gone from here on if its own thread saw the new state. */
    CHECK(before == EXCHANGE_HANDLED || before == EXCHANGE_SUSPENDED);
    if (before == EXCHANGE_SUSPENDED)
        MHD_resume_connection(connection);
    count_handled(s, false);
}
