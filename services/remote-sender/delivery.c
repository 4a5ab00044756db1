/* delivery.c - carry messages to one destination: find it, connect, send, keep the line.
 */
#include "delivery.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "cargo.h"
#include "desk.h"
#include "net/destination_guard.h"
#include "mail/envelope.h"
#include "net/stream.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    DNS_MS = 30 * 1000,
    DNS_SLICE_MS = 500,  /* between two looks whether somebody wants the thread */
    TALK_MS = 30 * 1000, /* more than connecting may take: until TLS, with both EHLO */
    ADDRESSES_MAX = 4,   /* tried of one host */
    CONNECTS_MAX = 12,   /* tried for one message */
    BREAKS_MAX = 3,      /* messages in a row at which a shared host may break off */
};

struct delivery {
    const struct desk *desk;
    struct arena *arena; /* hosts and what is said about them */
    struct arena *slice; /* the piece of the message that is being sent */
    struct transport_way way;
    struct mail_hosts hosts;
    size_t host_next; /* to try when there is no connection */
    size_t connects;
    bool hopeless;         /* what has failed so far will always fail */
    enum tls_wish wish;    /* of the message that is sent: its connection is its own */
    bool lacks_requiretls; /* a host does */
    size_t breaks;         /* messages in a row whose connection broke */
    struct transport_line line;
    bool connected;
    pthread_mutex_t lock; /* of those below, which delivery_abort and _yield use */
    struct stream *stream;
    bool aborted, within_message;
    bool yielded;         /* no host is tried any more for what is being sent */
    int64_t searching_ms; /* monotonic: since when no host is found; 0: one is */
    char host[256];       /* connected to, or tried last */
    struct smtp_client_answer answer; /* for all, when no host can be reached */
};

/* Why a host is not spoken to. */
struct failure {
    const char *reason; /* NULL: it is */
    bool final;         /* and never will be */
};

struct delivery *delivery_new(const struct desk *desk, const struct transport_way *way)
{
    struct delivery *d = mem_alloc(sizeof(*d));

    d->desk = desk;
    d->arena = arena_new();
    d->slice = arena_new();
    d->way = *way;
    d->way.domain = arena_str(d->arena, way->domain);
    d->way.host = arena_str(d->arena, way->host);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

/* From now on delivery_abort may shut the stream, until hide_stream.  False: it was
 * called before, and will never see this one. */
static bool show_stream(struct delivery *d, struct stream *stream)
{
    bool aborted;

    pthread_mutex_lock(&d->lock);
    aborted = d->aborted;
    if (!aborted)
        d->stream = stream;
    pthread_mutex_unlock(&d->lock);
    return !aborted;
}

/* Before it is closed. */
static void hide_stream(struct delivery *d)
{
    pthread_mutex_lock(&d->lock);
    d->stream = NULL;
    pthread_mutex_unlock(&d->lock);
}

static void disconnect(struct delivery *d)
{
    hide_stream(d);
    if (d->connected)
        d->way.transport->close(&d->line);
    d->connected = false;
}

static bool is_aborted(struct delivery *d)
{
    bool aborted;

    pthread_mutex_lock(&d->lock);
    aborted = d->aborted;
    pthread_mutex_unlock(&d->lock);
    return aborted;
}

static bool is_interrupted(struct delivery *d)
{
    bool interrupted;

    pthread_mutex_lock(&d->lock);
    interrupted = d->aborted || d->yielded;
    pthread_mutex_unlock(&d->lock);
    return interrupted;
}

static void note_search(struct delivery *d, bool searching)
{
    pthread_mutex_lock(&d->lock);
    d->yielded = false;
    d->searching_ms = searching ? clock_monotonic_ms() : 0;
    pthread_mutex_unlock(&d->lock);
}

/* False: delivery_abort was called before. */
static bool enter_message(struct delivery *d)
{
    bool aborted;

    pthread_mutex_lock(&d->lock);
    aborted = d->aborted;
    d->within_message = !aborted;
    pthread_mutex_unlock(&d->lock);
    return !aborted;
}

static void leave_message(struct delivery *d)
{
    pthread_mutex_lock(&d->lock);
    d->within_message = false;
    pthread_mutex_unlock(&d->lock);
}

void delivery_abort(struct delivery *d, bool within_message)
{
    pthread_mutex_lock(&d->lock);
    d->aborted = true;
    if (d->stream != NULL && (within_message || !d->within_message))
        shutdown(stream_fd(d->stream), SHUT_RDWR);
    pthread_mutex_unlock(&d->lock);
}

bool delivery_yield(struct delivery *d, int64_t searching_ms)
{
    bool yields;

    pthread_mutex_lock(&d->lock);
    yields = d->searching_ms != 0 && !d->yielded &&
             clock_monotonic_ms() - d->searching_ms > searching_ms;
    d->yielded |= yields;
    if (yields && d->stream != NULL)
        shutdown(stream_fd(d->stream), SHUT_RDWR);
    pthread_mutex_unlock(&d->lock);
    return yields;
}

void delivery_free(struct delivery **d)
{
    if (*d == NULL)
        return;
    disconnect(*d);
    pthread_mutex_destroy(&(*d)->lock);
    arena_free(&(*d)->slice);
    arena_free(&(*d)->arena);
    mem_free(*d);
    *d = NULL;
}

bool delivery_is_connected(const struct delivery *d)
{
    return d->connected;
}

bool delivery_is_unreachable(const struct delivery *d)
{
    return d->answer.code != 0;
}

void delivery_retry(struct delivery *d)
{
    d->answer = (struct smtp_client_answer){ 0 };
    d->hosts = (struct mail_hosts){ 0 };
}

static void unreachable(struct delivery *d, int code, str_t status, str_t text)
{
    d->answer = (struct smtp_client_answer){ code, status, text };
    log_info("remote.unreachable", "code=%d status=%.*s", code, STR_ARG(status));
    log_debug("remote.unreachable_why", "domain=%.*s reason=\"%.*s\"",
              STR_ARG(d->way.domain), STR_ARG(text));
}

static void unreachable_because(struct delivery *d, const char *reason)
{
    if (d->hopeless && d->lacks_requiretls)
        unreachable(d, 550, S("5.7.30"),
                    str_of(arena_printf(d->arena,
                                        "550 5.7.30 REQUIRETLS support required; last "
                                        "was %s: %s",
                                        d->host, reason)));
    else if (d->hopeless)
        unreachable(d, 550, S("5.4.4"),
                    str_of(arena_printf(d->arena,
                                        "550 5.4.4 No mail server of %.*s takes mail; "
                                        "last was %s: %s",
                                        STR_ARG(d->way.domain), d->host, reason)));
    else
        unreachable(d, 421, S("4.4.1"),
                    str_of(arena_printf(d->arena,
                                        "421 4.4.1 Failed to connect to any mail server; "
                                        "last attempt to %s: %s",
                                        d->host, reason)));
}

/* The next look at the DNS, which ends early enough to see who waits for the thread. */
static struct deadline dns_slice(struct deadline until)
{
    struct deadline slice = deadline_in_ms(DNS_SLICE_MS);

    return slice.at_ms < until.at_ms ? slice : until;
}

static bool find_hosts(struct delivery *d)
{
    struct deadline until = deadline_in_ms(DNS_MS);
    struct mail_hosts_refusal why;
    enum rc rc;

    d->host_next = 0;
    d->connects = 0;
    d->hopeless = true;
    d->lacks_requiretls = false;
    d->host[0] = '\0';
    do {
        rc = d->way.transport->find(d->arena, d->desk, &d->way, dns_slice(until),
                                    &d->hosts, &why);
    } while (rc != RC_OK && why.timed_out && !deadline_passed(until) &&
             !is_interrupted(d));
    if (rc != RC_OK)
        unreachable(d, why.code, why.status, why.text);
    return rc == RC_OK;
}

static enum rc ask_addresses(struct delivery *d, struct arena *a, str_t host,
                             struct dns_addresses *out)
{
    struct deadline until = deadline_in_ms(DNS_MS);
    enum rc rc;

    do {
        rc = dns_addresses(d->desk->finder.dns, a, host, dns_slice(until), out);
    } while ((rc == RC_TIMEOUT || out->missing == RC_TIMEOUT) &&
             !deadline_passed(until) && !is_interrupted(d));
    return rc;
}

/* The host's addresses; a literal has one.  A host of the operator's that has none may be
 * about to start: names within Docker come and go with it. */
static size_t addresses_of(struct delivery *d, struct arena *a, const struct mail_host *h,
                           struct addr out[ADDRESSES_MAX], struct failure *failure)
{
    struct dns_addresses found = { 0 };
    size_t n = 0;
    enum rc rc;

    if (addr_parse(h->name, &out[0]) == RC_OK)
        return 1;
    rc = ask_addresses(d, a, h->name, &found);
    if (rc != RC_OK) {
        *failure =
            (struct failure){ "no address", rc == RC_NOT_FOUND && !h->by_operator };
        return 0;
    }
    d->hopeless &= found.missing == RC_OK && found.count <= ADDRESSES_MAX;
    for (size_t i = 0; i < found.count && n < ADDRESSES_MAX; i++) {
        bool last_room = n == ADDRESSES_MAX - 1;

        if (found.addr[i].family == 6 && (d->desk->disable_ipv6 || last_room))
            continue; /* one try is kept for IPv4, which may be all that works */
        out[n++] = found.addr[i];
    }
    if (n == 0)
        *failure = (struct failure){ "no usable address", !h->by_operator };
    return n;
}

/* Reason when it fails; nothing is left of the connection then. */
static const char *reach(struct delivery *d, const struct addr *to, struct deadline until,
                         struct stream **out)
{
    struct stream *stream;
    enum rc rc = stream_begin(to, &stream);

    if (rc == RC_OK && !show_stream(d, stream)) {
        stream_close(&stream);
        return "this service is stopping";
    }
    if (rc == RC_OK) {
        rc = stream_finish(stream, until);
        *out = stream;
        if (rc == RC_OK)
            return NULL;
        hide_stream(d);
        stream_close(&stream);
    }
    return rc == RC_TIMEOUT ? "connection timed out" : "connection refused";
}

/* After a failure the connection is closed. */
static struct failure open_line(struct delivery *d, struct arena *a,
                                const struct addr *to, const struct tls_policy *policy)
{
    struct stream *stream;
    struct deadline until = deadline_in_ms(d->desk->connect_ms);
    struct failure f = { .reason = reach(d, to, until, &stream) };

    if (f.reason != NULL)
        return f;
    until.at_ms += TALK_MS;
    d->connected = true;
    if (d->way.transport->open(&d->line, d->desk, policy, stream, until) == RC_OK) {
        metric_add(d->way.opened, 1);
        return f;
    }
    disconnect(d);
    if (policy->requiretls && d->line.lacks_requiretls) {
        d->lacks_requiretls = true;
        return (struct failure){ arena_printf(a, "%s", d->line.failure), true };
    }
    return (struct failure){ arena_printf(a, "%s", d->line.failure),
                             d->line.takes_no_mail && !d->way.transport->shared };
}

/* Each of its addresses in turn. */
static struct failure connect_host(struct delivery *d, struct arena *a,
                                   const struct mail_host *h)
{
    const struct tls_policy_facts facts = { .wish = d->wish, .host = h->name };
    const struct tls_policy policy = tls_policy_for(&facts);
    struct failure f = { .reason = "no address" };
    struct addr to[ADDRESSES_MAX];
    size_t n = addresses_of(d, a, h, to, &f);

    snprintf(d->host, sizeof(d->host), "%.*s", (int)(h->name.n < 255 ? h->name.n : 255),
             h->name.p);
    if (n == 0)
        d->hopeless &= f.final;
    for (size_t i = 0; i < n && d->connects < CONNECTS_MAX && !is_interrupted(d); i++) {
        if (!h->by_operator && !destination_guard_permits(d->desk->guard, &to[i])) {
            f = (struct failure){ "its address is private", true };
        } else {
            to[i].port = h->port;
            d->connects++;
            f = open_line(d, a, &to[i], &policy);
            if (f.reason == NULL)
                return f;
        }
        d->hopeless &= f.final && d->connects < CONNECTS_MAX;
    }
    return f;
}

/* The next host that speaks to us.  False: there is none, d->answer says why, or this
 * service is stopping.  reason: why the connection that there was is no more. */
static bool search(struct delivery *d, struct arena *a, const char *reason)
{
    if (is_aborted(d) || (d->hosts.count == 0 && !find_hosts(d)))
        return false;
    d->hopeless &= reason == NULL;
    while (d->host_next < d->hosts.count && !is_interrupted(d)) {
        struct failure f = connect_host(d, a, &d->hosts.host[d->host_next++]);

        reason = f.reason;
        if (reason == NULL) {
            d->answer = (struct smtp_client_answer){ 0 };
            d->hopeless = false; /* it does take mail, whatever comes of this one */
            return true;
        }
        log_debug("remote.host_failed", "host=%s reason=\"%s\"", d->host, reason);
    }
    d->hopeless &= !is_interrupted(d);
    if (!is_aborted(d))
        unreachable_because(d, reason != NULL ? reason : "no host is left");
    return false;
}

static bool connect_next(struct delivery *d, struct arena *a, const char *reason)
{
    bool found;

    note_search(d, true);
    found = search(d, a, reason);
    note_search(d, false);
    return found;
}

static enum transport_sent send_once(struct delivery *d, struct arena *a,
                                     struct cargo *cargo, struct smtp_client_mail *m)
{
    enum transport_sent sent;

    if (!enter_message(d))
        return TRANSPORT_STOPPING;
    sent = d->way.transport->send(&d->line, a, cargo, m);
    leave_message(d);
    return sent;
}

static void answer_open(struct smtp_client_mail *m, struct smtp_client_answer answer)
{
    for (size_t i = 0; i < m->rcpt_count; i++)
        if (m->rcpt[i].answer.code == 0)
            m->rcpt[i].answer = answer;
}

static struct smtp_client_answer broken_answer(struct delivery *d, struct arena *a)
{
    return (struct smtp_client_answer){
        .code = 421,
        .status = S("4.4.2"),
        .text = str_of(arena_printf(a, "421 4.4.2 connection with %s failed: %s", d->host,
                                    d->line.failure)),
    };
}

static bool is_first_answer_421(const struct smtp_client_mail *m)
{
    return m->accepted == 0 && m->rcpt[0].answer.code == 421;
}

/* A shared host that broke off does speak to us: the next message may fare better, unless
 * several in a row did not. */
static void begin_anew(struct delivery *d)
{
    if (d->way.transport->shared && d->breaks++ < BREAKS_MAX)
        delivery_retry(d);
}

/* A kept connection may have died of age: its failure, or a 421, means a fresh one to
 * the same host.  A fresh one's failure means the next host. */
static enum transport_sent send_somewhere(struct delivery *d, struct arena *a,
                                          struct cargo *cargo, struct smtp_client_mail *m)
{
    bool kept = d->connected;
    bool spoke = false;
    const char *reason = NULL;
    enum transport_sent sent;

    while (d->connected || connect_next(d, a, reason)) {
        sent = send_once(d, a, cargo, m);
        if (d->line.broken) {
            reason = arena_printf(a, "%s", d->line.failure);
            disconnect(d);
        }
        if (sent != TRANSPORT_BROKEN && !(kept && is_first_answer_421(m))) {
            if (d->connected)
                d->breaks = 0;
            else if (sent != TRANSPORT_OK) /* else it said itself that it is enough */
                begin_anew(d);
            return sent;
        }
        if (kept)
            delivery_retry(d);
        spoke = !kept;
        kept = false;
    }
    if (is_aborted(d))
        return TRANSPORT_STOPPING;
    answer_open(m, d->answer);
    if (spoke)
        begin_anew(d);
    return TRANSPORT_OK;
}

static enum rc send_group(struct delivery *d, struct arena *a, struct parcel *p,
                          struct smtp_client_mail *m)
{
    struct cargo cargo = { .parcel = p, .dbs = d->desk->dbs, .arena = d->slice };

    switch (send_somewhere(d, a, &cargo, m)) {
    case TRANSPORT_LOST:
        return RC_CONFLICT;
    case TRANSPORT_OUR_FAULT:
        return RC_RETRY;
    case TRANSPORT_STOPPING:
        return RC_CLOSED;
    case TRANSPORT_NO_BODY:
        answer_open(m, (struct smtp_client_answer){
                           554, S("5.4.7"), S("554 5.4.7 message has expired here") });
        break;
    case TRANSPORT_UNKNOWN:
    case TRANSPORT_BROKEN:
    case TRANSPORT_OK:
        answer_open(m, broken_answer(d, a));
        break;
    }
    return RC_OK;
}

/* The row's recipients are served in groups.  What an earlier group got must be written
 * down, so a later one that could not begin only waits. */
static enum rc send_groups(struct delivery *d, struct arena *a, struct parcel *p,
                           const struct envelope *e, struct delivery_result *out)
{
    const struct smtp_client_answer later = { 451, S("4.3.2"),
                                              S("451 4.3.2 interrupted, will go on") };
    size_t n = out->rcpt_count;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < n && rc == RC_OK; i += SMTP_CLIENT_RCPT_MAX) {
        struct smtp_client_mail m = {
            .sender = p->row.sender,
            .smtputf8 = e->smtputf8,
            .eight_bit = e->eight_bit,
            .requiretls = e->requiretls,
            .ret = e->ret,
            .envid = envelope_envid(a, e),
            .size_bytes = (uint64_t)p->row.size + p->row.prefix.n,
            .rcpt = out->rcpt + i,
            .rcpt_count = n - i < SMTP_CLIENT_RCPT_MAX ? n - i : SMTP_CLIENT_RCPT_MAX,
        };

        if (delivery_is_unreachable(d))
            answer_open(&m, d->answer);
        else
            rc = send_group(d, a, p, &m);
        if (i > 0 && (rc == RC_RETRY || rc == RC_CLOSED)) {
            answer_open(&m, later);
            rc = RC_OK;
        }
    }
    return rc;
}

static enum tls_wish wish_of(const struct envelope *e)
{
    return e->requiretls     ? TLS_WISH_REQUIRED
           : e->tls_optional ? TLS_WISH_OPTIONAL
                             : TLS_WISH_NONE;
}

/* Whoever asks for another TLS than all others has a connection of its own, and what is
 * found out there says nothing about the destination. */
static void begin_alone(struct delivery *d, enum tls_wish wish)
{
    disconnect(d);
    delivery_retry(d);
    d->wish = wish;
}

enum rc delivery_send(struct delivery *d, struct arena *a, struct parcel *p,
                      struct delivery_result *out)
{
    size_t n = p->row.recipient_count;
    struct envelope e;
    enum rc rc;

    (void)envelope_parse(p->row.envelope, &e);
    *out = (struct delivery_result){ .rcpt = arena_array(a, n + 1, sizeof(*out->rcpt)),
                                     .rcpt_count = n };
    for (size_t i = 0; i < n; i++) {
        struct envelope_recipient said;

        (void)envelope_find(a, &e, p->row.recipients[i], &said);
        out->rcpt[i].address = p->row.recipients[i];
        out->rcpt[i].notify = said.notify;
        out->rcpt[i].orcpt = said.orcpt;
    }
    if (wish_of(&e) != TLS_WISH_NONE)
        begin_alone(d, wish_of(&e));
    rc = send_groups(d, a, p, &e, out);
    out->host = arena_str(a, str_of(d->host));
    if (d->wish != TLS_WISH_NONE)
        begin_alone(d, TLS_WISH_NONE);
    return rc;
}
