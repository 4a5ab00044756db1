/* dns.c - libunbound asks in its own thread; ours waits for its answers and sends word.
 *
 * ub_resolve would block without a deadline, so every question is asynchronous; who wants
 * to block waits on its condition.  Who gives up leaves the question behind; the answer,
 * when it comes, finds it forgotten and frees it.
 */
#include "net/dns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/cond.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns_name.h"
#include "net/limit.h"

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
    TYPE_AAAA = 28,
    CLASS_IN = 1,
    RCODE_NOERROR = 0,
    RCODE_NXDOMAIN = 3,
    DNS_PORT = 53,
    MX_LOOKED_AT_MAX = 256,
    /* Without an answer, those that nobody waits for any more among them. */
    QUESTIONS_MAX = 65536,
    ASKERS_AT_LEAST = 5, /* share what may be on the way */
    /* Deadlines that lie so close are looked at together. */
    TIMEOUT_STEP_MS = 10,
};

static const char debian_root_key[] = "/usr/share/dns/root.key";

struct dns {
    struct ub_ctx *ctx;
    pthread_t thread;
    int wake_fd; /* there is an earlier deadline, or the end */
    pthread_mutex_t lock;
    struct limit *askers;           /* of questions that the library has */
    struct dns_question *questions; /* all that the library has */
    size_t count;                   /* of them */
    int64_t look_ms;                /* when the thread looks at deadlines; 0: never */
    bool stopped, ends;
};

struct dns_question {
    struct dns *dns;
    struct dns_question *prev, *next;
    struct dns_wait wait;
    pthread_cond_t is_done;
    struct ub_result *result; /* with RC_OK */
    enum rc rc;
    bool asked;     /* the library will call on_answer */
    bool done;      /* rc and result are what they will be */
    bool forgotten; /* its owner is gone */
};

/* Questions and answers. */

static void destroy(struct dns_question *q)
{
    ub_resolve_free(q->result);
    pthread_cond_destroy(&q->is_done);
    mem_free(q);
}

/* The rest until dns_ask with the lock held. */

static void take_back(struct dns_question *q)
{
    struct dns *d = q->dns;

    if (q->prev != NULL)
        q->prev->next = q->next;
    else
        d->questions = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    q->asked = false;
    d->count--;
    if (q->wait.asker != 0)
        limit_give_key(d->askers, q->wait.asker);
}

static void finish(struct dns_question *q, enum rc rc)
{
    if (q->done)
        return;
    q->rc = rc;
    q->done = true;
    if (q->forgotten)
        return;
    if (q->wait.answered != NULL)
        q->wait.answered(q->wait.user);
    else
        pthread_cond_signal(&q->is_done);
}

/* When the next deadline is, and word to those whose deadline it is. */
static void look_at_deadlines(struct dns *d)
{
    int64_t now_ms = clock_monotonic_ms();

    d->look_ms = 0;
    for (struct dns_question *q = d->questions; q != NULL; q = q->next) {
        if (q->wait.answered == NULL || q->done)
            continue;
        if (deadline_passed(q->wait.until))
            finish(q, RC_TIMEOUT);
        else if (d->look_ms == 0 || q->wait.until.at_ms < d->look_ms)
            d->look_ms = q->wait.until.at_ms;
    }
    if (d->look_ms != 0 && d->look_ms < now_ms + TIMEOUT_STEP_MS)
        d->look_ms = now_ms + TIMEOUT_STEP_MS;
}

/* In our thread, from ub_process. */
static void on_answer(void *arg, int error, struct ub_result *result)
{
    struct dns_question *q = arg;
    struct dns *d = q->dns;

    pthread_mutex_lock(&d->lock);
    take_back(q);
    if (error == 0 && !q->done)
        q->result = result;
    else
        ub_resolve_free(error == 0 ? result : NULL);
    finish(q, error == 0 ? RC_OK : RC_RETRY);
    if (q->forgotten)
        destroy(q);
    pthread_mutex_unlock(&d->lock);
}

/* How long the thread may sleep [ms]; -1: until something happens. */
static int look(struct dns *d, bool *ends)
{
    struct deadline next = { 0 };

    pthread_mutex_lock(&d->lock);
    *ends = d->ends;
    if (d->look_ms != 0 && d->look_ms <= clock_monotonic_ms())
        look_at_deadlines(d);
    next.at_ms = d->look_ms;
    pthread_mutex_unlock(&d->lock);
    return next.at_ms == 0 ? -1 : (int)deadline_left_ms(next);
}

static void *thread_main(void *arg)
{
    struct dns *d = arg;
    struct pollfd fds[2] = { { .fd = ub_fd(d->ctx), .events = POLLIN },
                             { .fd = d->wake_fd, .events = POLLIN } };
    eventfd_t woken;
    bool ends = false;
    int ms;

    pthread_setname_np(pthread_self(), "dns");
    while (ms = look(d, &ends), !ends) {
        if (poll(fds, 2, ms) <= 0)
            continue;
        if ((fds[1].revents & POLLIN) != 0)
            eventfd_read(d->wake_fd, &woken);
        if ((fds[0].revents & POLLIN) != 0)
            ub_process(d->ctx);
    }
    return NULL;
}

/* The thread must not sleep past it. */
static void note_deadline(struct dns *d, struct deadline until)
{
    if (d->look_ms != 0 && d->look_ms <= until.at_ms)
        return;
    d->look_ms = until.at_ms;
    eventfd_write(d->wake_fd, 1);
}

static enum rc enlist(struct dns_question *q)
{
    struct dns *d = q->dns;

    if (d->stopped)
        return RC_TIMEOUT;
    if (d->count == QUESTIONS_MAX)
        return RC_RETRY;
    if (q->wait.asker != 0 && limit_take_key(d->askers, q->wait.asker) != RC_OK)
        return RC_RETRY;
    q->next = d->questions;
    if (q->next != NULL)
        q->next->prev = q;
    d->questions = q;
    d->count++;
    q->asked = true;
    if (q->wait.answered != NULL)
        note_deadline(d, q->wait.until);
    return RC_OK;
}

struct dns_question *dns_ask(struct dns *d, str_t name, int type,
                             const struct dns_wait *wait)
{
    struct dns_question *q = mem_alloc(sizeof(*q));
    char text[DNS_NAME_ASKED_BYTES];
    enum rc rc = dns_name_to_ask(name, wait->kind, text);

    q->dns = d;
    q->wait = *wait;
    cond_init(&q->is_done);
    pthread_mutex_lock(&d->lock);
    if (rc == RC_OK)
        rc = enlist(q);
    if (rc != RC_OK)
        finish(q, rc);
    pthread_mutex_unlock(&d->lock);
    if (rc != RC_OK)
        return q;
    /* Not under the lock: the answer may come before this returns. */
    if (ub_resolve_async(d->ctx, text, type, CLASS_IN, q, on_answer, NULL) != 0) {
        pthread_mutex_lock(&d->lock);
        take_back(q);
        finish(q, RC_RETRY);
        pthread_mutex_unlock(&d->lock);
    }
    return q;
}

void dns_forget(struct dns_question **question)
{
    struct dns_question *q = *question;
    struct dns *d;

    if (q == NULL)
        return;
    d = q->dns;
    pthread_mutex_lock(&d->lock);
    q->forgotten = true;
    if (!q->asked)
        destroy(q);
    pthread_mutex_unlock(&d->lock);
    *question = NULL;
}

/* Blocks. */
static void await(struct dns_question *q, struct deadline until)
{
    struct dns *d = q->dns;

    pthread_mutex_lock(&d->lock);
    while (!q->done && cond_wait(&q->is_done, &d->lock, until))
        ;
    finish(q, RC_TIMEOUT);
    pthread_mutex_unlock(&d->lock);
}

/* What an answer means before its data are looked at. */
static enum rc judge(const struct dns_question *q, struct dns_status *status)
{
    const struct ub_result *r = q->result;

    CHECK(q->done);
    if (q->rc != RC_OK)
        return q->rc;
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
    char at_once[16];
    enum rc rc;

    pthread_mutex_init(&d->lock, NULL);
    d->wake_fd = -1;
    d->askers = limit_new(0, (o->at_once + ASKERS_AT_LEAST - 1) / ASKERS_AT_LEAST);
    d->ctx = ub_ctx_create();
    CHECK(d->ctx != NULL);
    CHECK(ub_ctx_async(d->ctx, 1) == 0); /* a thread; the default is a process */
    if (o->at_once > 0) {
        snprintf(at_once, sizeof(at_once), "%u", o->at_once);
        set_option(d, "outgoing-range:", at_once);
        set_option(d, "num-queries-per-thread:", at_once);
    }
    /* A local resolver is a good one to have. */
    set_option(d, "do-not-query-localhost:", "no");
    /* Somebody who sets up a server and forgot a record shall not wait for hours. */
    set_option(d, "cache-max-negative-ttl:", "60");
    rc = set_resolver(d, o->resolver, why);
    if (rc == RC_OK)
        rc = set_trust_anchor(d, o->trust_anchor_file, why);
    if (rc != RC_OK) {
        ub_ctx_delete(d->ctx);
        limit_free(&d->askers);
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
    for (struct dns_question *q = d->questions; q != NULL; q = q->next)
        finish(q, RC_TIMEOUT);
    pthread_mutex_unlock(&d->lock);
}

void dns_free(struct dns **dns)
{
    struct dns *d = *dns;

    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->ends = true;
    pthread_mutex_unlock(&d->lock);
    eventfd_write(d->wake_fd, 1);
    pthread_join(d->thread, NULL);
    close(d->wake_fd);
    ub_ctx_delete(d->ctx);
    while (d->questions != NULL) { /* forgotten, and now never answered */
        struct dns_question *q = d->questions;

        CHECK(q->forgotten);
        take_back(q);
        destroy(q);
    }
    limit_free(&d->askers);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *dns = NULL;
}

/* Records. */

enum rc dns_answer_raw(const struct dns_question *q, struct arena *a,
                       struct dns_records *out)
{
    const struct ub_result *r = q->result;
    enum rc rc;

    *out = (struct dns_records){ 0 };
    rc = judge(q, &out->status);
    if (rc == RC_OK)
        out->data = arena_array(a, DNS_RECORDS_MAX, sizeof(*out->data));
    for (int i = 0; rc == RC_OK && r->data[i] != NULL && i < DNS_RECORDS_MAX; i++)
        out->data[out->count++] = arena_str(a, str_n(r->data[i], (size_t)r->len[i]));
    return rc;
}

enum rc dns_raw(struct dns *d, struct arena *a, str_t name, int type,
                struct deadline until, struct dns_records *out)
{
    struct dns_wait wait = { .until = until };
    struct dns_question *q = dns_ask(d, name, type, &wait);
    enum rc rc;

    await(q, until);
    rc = dns_answer_raw(q, a, out);
    dns_forget(&q);
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

static enum rc take_addresses(struct dns_question *q, struct deadline until,
                              struct dns_addresses *out)
{
    struct dns_status status = { 0 };
    enum rc rc;

    await(q, until);
    rc = judge(q, &status);
    if (rc == RC_OK)
        add_addresses(q->result, out);
    dns_forget(&q);
    out->status.secure = out->status.secure && status.secure;
    out->status.bogus = out->status.bogus || status.bogus;
    out->status.nxdomain = out->status.nxdomain || status.nxdomain;
    return rc;
}

enum rc dns_addresses(struct dns *d, struct arena *a, str_t name, struct deadline until,
                      struct dns_addresses *out)
{
    struct dns_wait wait = { .until = until };
    struct dns_question *q6 = dns_ask(d, name, TYPE_AAAA, &wait);
    struct dns_question *q4 = dns_ask(d, name, TYPE_A, &wait);
    enum rc rc4, rc6;

    *out = (struct dns_addresses){ 0 };
    out->addr = arena_array(a, DNS_ADDRESSES_MAX, sizeof(*out->addr));
    out->status.secure = true;
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

    if (rdata.n < 3 || !dns_name_of_wire(a, str_skip(rdata, 2), &m->host.name))
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

enum rc dns_answer_mx(const struct dns_question *q, struct arena *a, struct dns_mx *out)
{
    enum rc rc;

    *out = (struct dns_mx){ 0 };
    rc = judge(q, &out->status);
    if (rc == RC_OK) {
        take_mx(a, q->result, out);
        if (out->count == 0 && !out->null_mx)
            rc = RC_RETRY; /* nothing usable in it: not a reason to guess another host */
    } else if (rc == RC_NOT_FOUND && !out->status.nxdomain) {
        implicit_mx(a, str_of(q->result->qname), out);
        rc = RC_OK;
    }
    return rc;
}

enum rc dns_mx(struct dns *d, struct arena *a, str_t domain, struct deadline until,
               struct dns_mx *out)
{
    struct dns_wait wait = { .until = until };
    struct dns_question *q = dns_ask(d, domain, DNS_MX, &wait);
    enum rc rc;

    await(q, until);
    rc = dns_answer_mx(q, a, out);
    dns_forget(&q);
    return rc;
}
