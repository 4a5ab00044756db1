/* dns.c - libunbound asks in its own thread; ours waits for its answers and wakes
 * callers.
 *
 * ub_resolve would block without a deadline, so every question is asynchronous and its
 * caller waits on a condition.  A caller that gives up leaves its question behind; the
 * answer, when it comes, finds it abandoned and frees it.
 */
#include "net/dns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/cond.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

enum {
    TYPE_A = 1,
    TYPE_MX = 15,
    TYPE_AAAA = 28,
    CLASS_IN = 1,
    RCODE_NOERROR = 0,
    RCODE_NXDOMAIN = 3,
    DNS_PORT = 53,
    NAME_MAX_BYTES = 253,
    LABEL_MAX_BYTES = 63,
    MX_LOOKED_AT_MAX = 256,
};

static const char debian_root_key[] = "/usr/share/dns/root.key";

struct dns {
    struct ub_ctx *ctx;
    pthread_t thread;
    int wake_fd; /* ends the thread */
    pthread_mutex_t lock;
    struct question *questions; /* all that have no answer yet */
    bool stopped;
};

struct question {
    struct dns *dns;
    struct question *prev, *next;
    pthread_cond_t answered;
    struct ub_result *result; /* NULL with `done`: the question failed */
    bool done, abandoned;
};

/* Questions and answers. */

static void unlink_question(struct dns *d, struct question *q)
{
    if (q->prev != NULL)
        q->prev->next = q->next;
    else
        d->questions = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
}

static void question_free(struct question *q)
{
    ub_resolve_free(q->result);
    pthread_cond_destroy(&q->answered);
    mem_free(q);
}

/* In our thread, from ub_process. */
static void on_answer(void *arg, int error, struct ub_result *result)
{
    struct question *q = arg;
    struct dns *d = q->dns;

    pthread_mutex_lock(&d->lock);
    unlink_question(d, q);
    q->result = error == 0 ? result : NULL;
    if (error != 0)
        ub_resolve_free(result);
    q->done = true;
    if (q->abandoned)
        question_free(q);
    else
        pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&d->lock);
}

static void *thread_main(void *arg)
{
    struct dns *d = arg;
    struct pollfd fds[2] = { { .fd = ub_fd(d->ctx), .events = POLLIN },
                             { .fd = d->wake_fd, .events = POLLIN } };

    pthread_setname_np(pthread_self(), "dns");
    while ((fds[1].revents & POLLIN) == 0) {
        if (poll(fds, 2, -1) > 0 && (fds[0].revents & POLLIN) != 0)
            ub_process(d->ctx);
    }
    return NULL;
}

static struct question *ask(struct dns *d, const char *name, int type)
{
    struct question *q = mem_alloc(sizeof(*q));

    q->dns = d;
    cond_init(&q->answered);
    pthread_mutex_lock(&d->lock);
    q->next = d->questions;
    if (q->next != NULL)
        q->next->prev = q;
    d->questions = q;
    pthread_mutex_unlock(&d->lock);
    /* Not under the lock: the answer may come before this returns. */
    if (ub_resolve_async(d->ctx, name, type, CLASS_IN, q, on_answer, NULL) != 0) {
        pthread_mutex_lock(&d->lock);
        unlink_question(d, q);
        q->done = true;
        pthread_mutex_unlock(&d->lock);
    }
    return q;
}

/* RC_OK: *out is the caller's, to be ended with question_free; else it is gone. */
static enum rc await(struct question *q, struct deadline until, struct question **out)
{
    struct dns *d = q->dns;
    bool done;

    pthread_mutex_lock(&d->lock);
    while (!q->done && !d->stopped && cond_wait(&q->answered, &d->lock, until))
        ;
    done = q->done;
    q->abandoned = !done;
    pthread_mutex_unlock(&d->lock);
    if (!done)
        return RC_TIMEOUT;
    if (q->result == NULL) {
        question_free(q);
        return RC_RETRY;
    }
    *out = q;
    return RC_OK;
}

/* What an answer means before its data are looked at. */
static enum rc judge(const struct ub_result *r, struct dns_status *status)
{
    status->secure = r->secure;
    status->bogus = r->bogus;
    status->nxdomain = r->nxdomain;
    if (r->bogus)
        return RC_RETRY;
    if (r->havedata)
        return RC_OK;
    return r->rcode == RCODE_NOERROR || r->rcode == RCODE_NXDOMAIN ? RC_NOT_FOUND
                                                                   : RC_RETRY;
}

/* Names. */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static bool is_label(str_t label)
{
    if (label.n == 0 || label.n > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (!is_name_char(label.p[i]))
            return false;
    return true;
}

static enum rc name_to_ask(struct arena *a, str_t name, const char **out)
{
    str_t rest, label;

    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > NAME_MAX_BYTES || name.p[name.n - 1] == '.')
        return RC_INVALID;
    rest = name;
    while (str_split(&rest, '.', &label))
        if (!is_label(label))
            return RC_INVALID;
    *out = arena_cstr(a, name);
    return RC_OK;
}

/* A name in wire form, which must fill the rdata; "" is the root. */
static bool name_of_wire(struct arena *a, str_t wire, str_t *out)
{
    struct buf *text = arena_buf(a, NAME_MAX_BYTES);

    while (wire.n > 0 && wire.p[0] != '\0') {
        size_t n = (unsigned char)wire.p[0];

        if (n + 1 > wire.n || !is_label(str_n(wire.p + 1, n)))
            return false;
        if (text->n > 0)
            buf_putc(text, '.');
        buf_append(text, wire.p + 1, n);
        wire = str_skip(wire, n + 1);
    }
    *out = arena_str_lower(a, buf_str(text));
    return wire.n == 1 && !text->full;
}

/* The context. */

static enum rc refuse(struct buf *why, const char *what, const char *reason)
{
    if (why != NULL)
        buf_printf(why, "%s: %s", what, reason);
    return RC_INVALID;
}

/* In libunbound's form "address@port". */
static enum rc add_forwarder(struct dns *d, str_t text, struct buf *why)
{
    char host[ADDR_TEXT_BYTES], form[ADDR_TEXT_BYTES + 8];
    struct addr a;

    if (addr_parse_port(text, DNS_PORT, &a) != RC_OK)
        return refuse(why, "dns_resolver", "neither an address nor address:port");
    snprintf(form, sizeof(form), "%s@%u", addr_text(&a, host), (unsigned)a.port);
    return ub_ctx_set_fwd(d->ctx, form) == 0
               ? RC_OK
               : refuse(why, "dns_resolver", "not accepted by the resolver library");
}

static enum rc set_resolver(struct dns *d, const char *resolver, struct buf *why)
{
    str_t rest = str_of(resolver), one;
    enum rc rc = RC_OK;

    if (rest.n == 0) {
        if (ub_ctx_resolvconf(d->ctx, NULL) != 0)
            return refuse(why, "/etc/resolv.conf", strerror(errno));
        return RC_OK;
    }
    if (str_eq(rest, S("root")))
        return RC_OK;
    while (rc == RC_OK && str_split(&rest, ',', &one))
        rc = add_forwarder(d, str_trim(one), why);
    return rc;
}

static enum rc set_trust_anchor(struct dns *d, const char *file, struct buf *why)
{
    int rc;

    if (file != NULL && strcmp(file, "none") == 0)
        return RC_OK;
    if (file == NULL || file[0] == '\0') {
        if (access(debian_root_key, R_OK) != 0)
            return RC_OK;
        file = debian_root_key;
    }
    if (access(file, R_OK) != 0)
        return refuse(why, file, strerror(errno));
    rc = ub_ctx_add_ta_file(d->ctx, file);
    return rc == 0 ? RC_OK : refuse(why, file, ub_strerror(rc));
}

static void set_option(struct dns *d, const char *name, const char *value)
{
    CHECK(ub_ctx_set_option(d->ctx, name, value) == 0);
}

enum rc dns_new(const struct dns_options *o, struct buf *why, struct dns **out)
{
    struct dns *d = mem_alloc(sizeof(*d));
    enum rc rc;

    pthread_mutex_init(&d->lock, NULL);
    d->wake_fd = -1;
    d->ctx = ub_ctx_create();
    CHECK(d->ctx != NULL);
    CHECK(ub_ctx_async(d->ctx, 1) == 0); /* a thread; the default is a process */
    /* A local resolver is a good one to have. */
    set_option(d, "do-not-query-localhost:", "no");
    /* Somebody who sets up a server and forgot a record shall not wait for hours. */
    set_option(d, "cache-max-negative-ttl:", "60");
    rc = set_resolver(d, o->resolver, why);
    if (rc == RC_OK)
        rc = set_trust_anchor(d, o->trust_anchor_file, why);
    if (rc != RC_OK) {
        ub_ctx_delete(d->ctx);
        pthread_mutex_destroy(&d->lock);
        mem_free(d);
        return rc;
    }
    /* The library denies "test." by itself; whoever names a resolver means its answers.
     */
    if (o->resolver != NULL && o->resolver[0] != '\0')
        ub_ctx_zone_remove(d->ctx, "test.");
    d->wake_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(d->wake_fd >= 0);
    CHECK(pthread_create(&d->thread, NULL, thread_main, d) == 0);
    *out = d;
    return RC_OK;
}

void dns_stop(struct dns *d)
{
    pthread_mutex_lock(&d->lock);
    d->stopped = true;
    for (struct question *q = d->questions; q != NULL; q = q->next)
        pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&d->lock);
}

void dns_free(struct dns **dns)
{
    struct dns *d = *dns;

    if (d == NULL)
        return;
    eventfd_write(d->wake_fd, 1);
    pthread_join(d->thread, NULL);
    close(d->wake_fd);
    ub_ctx_delete(d->ctx);
    while (d->questions != NULL) { /* abandoned, and now never answered */
        struct question *q = d->questions;

        unlink_question(d, q);
        question_free(q);
    }
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *dns = NULL;
}

/* Records. */

enum rc dns_raw(struct dns *d, struct arena *a, str_t name, int type,
                struct deadline until, struct dns_records *out)
{
    const char *text;
    struct question *q;
    enum rc rc = name_to_ask(a, name, &text);

    *out = (struct dns_records){ 0 };
    if (rc == RC_OK)
        rc = await(ask(d, text, type), until, &q);
    if (rc != RC_OK)
        return rc;
    rc = judge(q->result, &out->status);
    if (rc == RC_OK)
        out->data = arena_array(a, DNS_RECORDS_MAX, sizeof(*out->data));
    for (int i = 0; rc == RC_OK && q->result->data[i] != NULL && i < DNS_RECORDS_MAX; i++)
        out->data[out->count++] =
            arena_str(a, str_n(q->result->data[i], (size_t)q->result->len[i]));
    question_free(q);
    return rc;
}

static void add_addresses(const struct ub_result *r, struct dns_addresses *out)
{
    size_t bytes = r->qtype == TYPE_A ? 4 : 16;

    for (int i = 0; r->data[i] != NULL && out->count < DNS_ADDRESSES_MAX; i++)
        if ((size_t)r->len[i] == bytes &&
            addr_from_ip(r->data[i], bytes, &out->addr[out->count]))
            out->count++;
}

static enum rc take_addresses(struct question *q, struct deadline until,
                              struct dns_addresses *out)
{
    struct dns_status status = { 0 };
    enum rc rc = await(q, until, &q);

    if (rc == RC_OK) {
        rc = judge(q->result, &status);
        if (rc == RC_OK)
            add_addresses(q->result, out);
        question_free(q);
    }
    out->status.secure = out->status.secure && status.secure;
    out->status.bogus = out->status.bogus || status.bogus;
    out->status.nxdomain = out->status.nxdomain || status.nxdomain;
    return rc;
}

enum rc dns_addresses(struct dns *d, struct arena *a, str_t name, struct deadline until,
                      struct dns_addresses *out)
{
    struct question *q4, *q6;
    const char *text;
    enum rc rc = name_to_ask(a, name, &text), rc4, rc6;

    *out = (struct dns_addresses){ 0 };
    if (rc != RC_OK)
        return rc;
    out->addr = arena_array(a, DNS_ADDRESSES_MAX, sizeof(*out->addr));
    out->status.secure = true;
    q6 = ask(d, text, TYPE_AAAA);
    q4 = ask(d, text, TYPE_A);
    rc6 = take_addresses(q6, until, out);
    rc4 = take_addresses(q4, until, out);
    out->missing = rc4 != RC_NOT_FOUND && rc4 != RC_OK ? rc4
                   : rc6 == RC_NOT_FOUND               ? RC_OK
                                                       : rc6;
    if (out->count > 0)
        return RC_OK;
    out->status.secure = out->status.secure && rc4 == RC_NOT_FOUND && rc6 == RC_NOT_FOUND;
    return out->missing != RC_OK ? out->missing : RC_NOT_FOUND;
}

struct ranked_mx {
    struct dns_mx_host host;
    uint64_t lot; /* decides among equal preferences */
};

static int compare_mx(const void *left, const void *right)
{
    const struct ranked_mx *l = left, *r = right;

    if (l->host.preference != r->host.preference)
        return l->host.preference < r->host.preference ? -1 : 1;
    return l->lot < r->lot ? -1 : l->lot > r->lot;
}

static void add_mx(struct arena *a, str_t rdata, struct ranked_mx *ranked, size_t *count,
                   bool *root)
{
    struct ranked_mx *m = &ranked[*count];

    if (rdata.n < 3 || !name_of_wire(a, str_skip(rdata, 2), &m->host.name))
        return;
    if (m->host.name.n == 0) { /* RFC 7505: "." is nobody */
        *root = true;
        return;
    }
    m->host.preference =
        (uint16_t)((unsigned char)rdata.p[0] << 8 | (unsigned char)rdata.p[1]);
    m->lot = crypto_random_u64();
    (*count)++;
}

static void take_mx(struct arena *a, const struct ub_result *r, struct dns_mx *out)
{
    struct ranked_mx *ranked = arena_array(a, MX_LOOKED_AT_MAX, sizeof(*ranked));
    size_t count = 0;
    bool root = false;

    for (int i = 0; r->data[i] != NULL && count < MX_LOOKED_AT_MAX; i++)
        add_mx(a, str_n(r->data[i], (size_t)r->len[i]), ranked, &count, &root);
    qsort(ranked, count, sizeof(*ranked), compare_mx);
    out->count = count < DNS_MX_MAX ? count : DNS_MX_MAX;
    out->host = arena_array(a, out->count, sizeof(*out->host));
    for (size_t i = 0; i < out->count; i++)
        out->host[i] = ranked[i].host;
    out->null_mx = root && count == 0;
}

static void implicit_mx(struct arena *a, str_t domain, struct dns_mx *out)
{
    out->implicit = true;
    out->count = 1;
    out->host = arena_array(a, 1, sizeof(*out->host));
    out->host[0] = (struct dns_mx_host){ 0, arena_str_lower(a, domain) };
}

enum rc dns_mx(struct dns *d, struct arena *a, str_t domain, struct deadline until,
               struct dns_mx *out)
{
    const char *text;
    struct question *q;
    enum rc rc = name_to_ask(a, domain, &text);

    *out = (struct dns_mx){ 0 };
    if (rc == RC_OK)
        rc = await(ask(d, text, TYPE_MX), until, &q);
    if (rc != RC_OK)
        return rc;
    rc = judge(q->result, &out->status);
    if (rc == RC_OK) {
        take_mx(a, q->result, out);
        if (out->count == 0 && !out->null_mx)
            rc = RC_RETRY; /* nothing usable in it: not a reason to guess another host */
    } else if (rc == RC_NOT_FOUND && !out->status.nxdomain) {
        implicit_mx(a, str_of(text), out);
        rc = RC_OK;
    }
    question_free(q);
    return rc;
}
